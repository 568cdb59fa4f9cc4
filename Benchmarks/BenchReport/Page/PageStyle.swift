/// The colours are those of Okabe and Ito, which all eyes can tell apart, a little darker or lighter for their ground.
enum PageStyle {
    static let css = """
        :root {
          color-scheme: light dark;
          --ground: #ffffff; --panel: #f6f6f4; --text: #1c1c21; --muted: #62626d; --grid: #e4e4e6; --rule: #d5d5d9;
          --ring: #c84f00; --pipe: #0069a8; --unix-stream: #2089c4; --unix-seqpacket: #00805d; --tcp: #a94a80;
          --posix-mq: #a87200; --eventfd: #5d4a6e; --shared-tail: #1c1c21; --spsc: #7d3200; --bare-ring: #9c7a64; --floor: #84848f;
          --warn-ground: #fff5dc; --warn-rule: #d39a00;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #14141a; --panel: #1d1d25; --text: #ececf1; --muted: #a0a0ae; --grid: #2b2b35; --rule: #3a3a47;
            --ring: #ff8438; --pipe: #4ba9ec; --unix-stream: #86cdf7; --unix-seqpacket: #2ac79b; --tcp: #e597c2;
            --posix-mq: #eeb02c; --eventfd: #cfc4e0; --shared-tail: #ececf1; --spsc: #ffc19c; --bare-ring: #b99c8a; --floor: #8d8d9b;
            --warn-ground: #2c2512; --warn-rule: #b58a1d;
          }
        }
        * { box-sizing: border-box; }
        html { background: var(--ground); }
        body {
          margin: 0 auto; padding: 3.5rem 1.75rem 5rem; max-width: 68rem; color: var(--text);
          font: 16.5px/1.55 "Inter", "Helvetica Neue", "Segoe UI", system-ui, "Liberation Sans", Arial, sans-serif;
          font-feature-settings: "tnum"; font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased;
        }
        h1 { font-size: 2.6rem; line-height: 1.12; letter-spacing: -0.025em; margin: 0 0 0.6rem; font-weight: 650; text-wrap: balance; }
        h2 { font-size: 1.45rem; letter-spacing: -0.012em; line-height: 1.25; margin: 4rem 0 0.4rem; font-weight: 620; }
        p { margin: 0 0 0.9rem; max-width: 46rem; text-wrap: pretty; }
        .lead, figcaption, .about { color: var(--muted); }
        .lead { font-size: 1.12rem; }
        figure { margin: 0; }
        figcaption { max-width: 46rem; margin-bottom: 1.1rem; }
        svg { display: block; width: 100%; height: auto; font-family: inherit; } .narrow { display: none; }
        .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(14.5rem, 1fr)); gap: 1rem; margin: 2.4rem 0 0; }
        .card { background: var(--panel); border-radius: 10px; padding: 1.1rem 1.25rem 1.2rem; }
        .card b { display: block; font-size: 2.05rem; line-height: 1.2; letter-spacing: -0.02em; font-weight: 640; color: var(--ring); }
        .card b small { font-size: 1.1rem; font-weight: 560; margin-left: 0.2em; letter-spacing: 0; }
        .card span { display: block; } .card .what { font-size: 0.92rem; color: var(--muted); min-height: 2.9rem; }
        .card .range { color: var(--muted); font-size: 0.95rem; } .card .beside { font-size: 0.95rem; }
        .card .caution { font-size: 0.95rem; font-weight: 580; line-height: 1.35; margin: 0.1rem 0 0.3rem; padding-left: 0.6rem; border-left: 3px solid var(--warn-rule); }
        .warnings { background: var(--warn-ground); border-left: 4px solid var(--warn-rule); border-radius: 4px; padding: 0.8rem 1.1rem; margin: 2rem 0 0; }
        .warnings p { margin: 0; max-width: none; } .warnings p + p { margin-top: 0.35rem; }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1.5rem; margin: 0.8rem 0; }
        dt { color: var(--muted); } dd { margin: 0; }
        ul { padding-left: 1.15rem; margin: 0.6rem 0; max-width: 46rem; } li { margin: 0.3rem 0; }
        details { border-top: 1px solid var(--rule); padding: 0.7rem 0; } details:last-of-type { border-bottom: 1px solid var(--rule); }
        summary { cursor: pointer; } .scroll { overflow-x: auto; margin-top: 0.8rem; }
        table { border-collapse: collapse; font-size: 13.5px; line-height: 1.4; white-space: nowrap; }
        th { font-weight: 560; color: var(--muted); border-bottom: 1px solid var(--rule); }
        th, td { text-align: right; padding: 0.22rem 0.7rem; } th.name, td.name { text-align: left; padding-left: 0; }
        tbody tr:hover { background: var(--panel); }
        code { font: 0.9em ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; }
        .dots { --name: 14.5rem; --figure: 15.5rem; position: relative; isolation: isolate; padding-bottom: 3.6rem; }
        .dots .row { position: relative; height: 1.6rem; line-height: 1.6rem; } .dots .apart { margin-top: 0.8rem; }
        .dots .name { position: absolute; left: 0; width: calc(var(--name) - 1rem); text-align: right; font-weight: 580; font-size: 0.94rem; }
        .dots .plot { position: absolute; left: var(--name); right: var(--figure); top: 50%; border-top: 1px solid var(--grid); }
        .dots .bar { position: absolute; top: -3px; height: 5px; border-radius: 3px; background: currentColor; opacity: 0.38; }
        .dots .dot { position: absolute; top: -6px; width: 11px; height: 11px; margin-left: -5.5px; border-radius: 50%; background: currentColor; }
        .dots .value { position: absolute; left: calc(var(--name) + (100% - var(--name) - var(--figure)) * var(--to) + 0.8rem); white-space: nowrap; font-size: 0.9rem; background: var(--ground); padding-right: 0.3rem; }
        .dots .value small { color: var(--muted); font-size: 1em; margin-left: 0.35em; }
        .dots .ticks { z-index: -1; position: absolute; left: var(--name); right: var(--figure); top: 0; bottom: 3.4rem; }
        .ticks i { position: absolute; top: 0; bottom: 0; border-left: 1px solid var(--grid); }
        .ticks span { position: absolute; top: 100%; transform: translateX(-50%); padding-top: 0.35rem; white-space: nowrap; font-style: normal; font-size: 0.85rem; line-height: 1.2; color: var(--muted); }
        .ticks .last span { transform: translateX(-100%); padding-right: 1px; }
        .dots .title { position: absolute; bottom: 0; left: var(--name); right: var(--figure); text-align: center; font-size: 0.85rem; font-weight: 560; color: var(--muted); }
        .legend { list-style: none; padding: 0; margin: 0.6rem 0 0; } .legend li { margin: 0.15rem 0; align-items: center; display: flex; gap: 0.6rem; }
        .legend svg { width: 28px; flex: none; } .legend .name { font-weight: 580; } .legend .value { margin-left: auto; }
        .grid { stroke: var(--grid); }
        .tick, .axis { font-size: 14px; fill: var(--muted); } .axis { font-weight: 560; }
        .label { font-size: 15px; font-weight: 580; } .note { font-weight: 400; opacity: 0.85; }
        .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
        .bold { stroke-width: 3.2; } .dashed { stroke-dasharray: 8 5; stroke-width: 2.6; } .dotted { stroke-dasharray: 1.5 5; stroke-width: 2.6; }
        .leader { fill: none; stroke-width: 1; opacity: 0.45; }
        @media (max-width: 52rem) {
          body { padding: 2rem 1.25rem 3rem; font-size: 16px; } h1 { font-size: 2rem; } h2 { font-size: 1.3rem; margin-top: 3rem; }
          .wide { display: none; } .narrow { display: block; } svg.narrow { max-width: 34rem; }
          .narrow .tick, .narrow .axis { font-size: 12px; } .card .what { min-height: 0; }
          dl { display: block; } dd { margin: 0 0 0.6rem; }
          .dots { --name: 0rem; --figure: 0rem; padding-bottom: 4.4rem; } .dots .ticks { bottom: 4.2rem; } .dots .title { height: 2.5rem; line-height: 1.2rem; }
          .dots .row { display: flex; height: auto; padding-bottom: 0.9rem; justify-content: space-between; gap: 0.8rem; line-height: 1.45rem; }
          .dots .name, .dots .value { position: static; width: auto; } .dots .name { background: var(--ground); padding-right: 0.3rem; text-align: left; } .dots .value { flex: none; padding-left: 0.3rem; text-align: right; }
          .dots .plot { top: auto; bottom: 0.45rem; left: 0; right: 0; }
        }

        """ + colours

    /// A line takes its transport's colour as a stroke, a word or a dot as a fill.
    private static let colours = [
        "ring", "pipe", "unix-stream", "unix-seqpacket", "tcp", "posix-mq", "eventfd", "shared-tail", "spsc", "bare-ring", "floor",
    ]
    .map {
        "path.c-\($0) { stroke: var(--\($0)); } text.c-\($0), circle.c-\($0) { fill: var(--\($0)); } .c-\($0) { color: var(--\($0)); }\n"
    }.joined()
}
