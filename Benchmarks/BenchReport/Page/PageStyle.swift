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
        figure { margin: 0; overflow-x: auto; }
        figcaption { max-width: 46rem; margin-bottom: 1.1rem; }
        svg { display: block; width: 100%; min-width: 40rem; height: auto; font-family: inherit; }
        .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(14.5rem, 1fr)); gap: 1rem; margin: 2.4rem 0 0; }
        .card { background: var(--panel); border-radius: 10px; padding: 1.1rem 1.25rem 1.2rem; }
        .card b { display: block; font-size: 2.05rem; line-height: 1.2; letter-spacing: -0.02em; font-weight: 640; color: var(--ring); }
        .card b small { font-size: 1.1rem; font-weight: 560; margin-left: 0.2em; letter-spacing: 0; }
        .card span { display: block; } .card .what { font-size: 0.92rem; color: var(--muted); } .card .beside { font-size: 0.95rem; }
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
        .grid { stroke: var(--grid); } .row { stroke: var(--grid); }
        .tick, .axis { font-size: 14px; fill: var(--muted); } .axis { font-weight: 560; }
        .label { font-size: 15px; font-weight: 580; } .note { font-weight: 400; opacity: 0.85; } .value { font-size: 14px; fill: var(--text); }
        .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
        .bold { stroke-width: 3.2; } .dashed { stroke-dasharray: 8 5; stroke-width: 2.6; } .dotted { stroke-dasharray: 1.5 5; stroke-width: 2.6; }
        .leader { fill: none; stroke-width: 1; opacity: 0.45; } .range { stroke-width: 3; opacity: 0.4; stroke-linecap: round; }

        """ + colours

    /// A line takes its transport's colour as a stroke, a word or a dot as a fill.
    private static let colours = [
        "ring", "pipe", "unix-stream", "unix-seqpacket", "tcp", "posix-mq", "eventfd", "shared-tail", "spsc", "bare-ring", "floor",
    ]
    .map { "path.c-\($0), line.c-\($0) { stroke: var(--\($0)); } text.c-\($0), circle.c-\($0) { fill: var(--\($0)); }\n" }.joined()
}
