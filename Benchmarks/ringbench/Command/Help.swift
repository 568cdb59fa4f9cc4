/// What `ringbench help` says.
enum Help {
    static let text = """
        ringbench: what ways from process to process cost, SharedRing's rings among them.

            ringbench [options]             a survey of everything, under 30 s
            ringbench --full [options]      all of it: sizes, ways to wait, batches, many producers; under 10 minutes
            ringbench MODE [options]        one mode
            ringbench call [options]        calls beside two rings, pipes and sockets; many clients, many callers of one client, idle
                                            slots; some minutes. --size, --clients, --callers, --idle-slots (lists; only these
                                            parts then), --count (calls in a turn), --repeats, --milliseconds, --json
            ringbench board [options]       reading and writing latest values: a board beside other ways; some minutes.
                                            --size, --readers (lists), --repeats, --milliseconds
            ringbench fanout [options]      messages to many processes: a broadcast, and a channel to each; some minutes.
                                            --size, --subscribers (lists), --repeats, --milliseconds
            ringbench compare A.json B.json what changed between two kept runs, and whether it exceeds the noise
            ringbench report A.json A.html  the page of a kept run

        Modes
            rtt          round trips, one message at a time
            rate         100,000 messages a second, each due at a fixed time; latency from the due time, one way
            throughput   as many messages as will go, one way
            burst        1,000 messages due at once every 10 ms; latency from the due time, one way
            idle         one message due every 100 ms; what its receiver burns meanwhile, and how late it is
            mpsc         as throughput, of several producers, each a process of its own, into one consumer

        Transports   ring pipe unix-stream unix-seqpacket tcp posix-mq eventfd (rtt, 8 bytes) call (rtt)
                     mpsc: ring, pipe with several writers, shared-tail (slots that producers take by adding to one counter),
                     and for one producer spsc: the ring that is made for one, with the same work for each message
                     throughput: bare-ring, the ring's protocol with nothing around it, a message a call; nobody could use that
        Floors       line1 line2   rtt of one cache line written by both sides in turn, of one each way; 8 bytes, spinning
                     futex         rtt of a bare wait and wake each way
                     stream        throughput: copy in, hand over, copy out, in 16 KiB chunks

        What comes out
            --json                       one JSON object a case, on one line of standard output; the rest on standard error
            --report FILE.html           one page with plots, the machine and the method, besides
            --repeats N                  of all cases, in turn; default 3, with --full 5. Figures are medians, max the largest
            --transport NAME,...         only these; default: all. Floors stay in the surveys

        Where
            --cpus A,B                   of the measuring process (in one-way modes the receiver) and of the peer.
                                         Default: two cores that share a cache
            --same-core                  both on one CPU, A,A or the first there is. Nobody may spin then
            --cpus A,B,...               mpsc: the consumer on A, producers on the others in turn; default all there are
            --spread                     mpsc: producers on all those CPUs in turn, A being the last

        Of a mode (lists, as in --size 8,64, make one case of each value)
            --size BYTES                 of a message; default 64, stream 16384
            --count MESSAGES             measured in each repeat; default: some tenths of a second
            --wait spin|adaptive|sleep   of the ring; default adaptive. Kernel objects always sleep, lines always spin
            --batch N                    messages per call, in throughput and mpsc; default 1
            --producers N                mpsc: default 1,2,4,16
            --order per-producer|total   mpsc, of the ring; default both
            --lanes N                    mpsc: lanes of the ring; default 0, as many as producers attach
            --idle-lanes N               mpsc: further producers that are attached and silent
            --stopped N                  mpsc: further producers that are stopped in the middle of a claim; per-producer order
            --drain-after                mpsc: the consumer begins when the producers are done, who use its CPU too. What is
                                         timed is their sending alone: what producers cost each other

        Of rings and floors
            --capacity BYTES             of the ring and other buffers; default 4 MiB for throughput and mpsc, else 1 MiB
            --alignment BYTES            of the ring's records; default 8
            --huge-pages                 memory in huge pages that were set aside (vm.nr_hugepages)

        What the columns and keys mean
            x floor, x pipe     medians of the ratios turn by turn; of throughput beside its floor by the byte
            cpu_ns_per_msg      user and system time of all processes
            syscalls_per_msg    of all processes, counted while warming up; where tracefs is mounted and perf_event_open permitted
            voluntary_switches  sleeps, in a repeat; involuntary_switches: preemptions
            repeats             the p50 or the messages a second of each repeat
            distances           of the two cores in each repeat: near (a cache line takes less than 200 ns there and back), far, or moved.
                                compare sets near beside near and far beside far
            curve               [fraction, nanoseconds]: so many messages took at most so long

        Exit status: 0 done; 1 an error or a failed check, and no figures; 2 a wrong command line.
        """
}
