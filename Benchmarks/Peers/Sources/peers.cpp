// Queues of others, with the work that ringbench does: every payload written in full, read in full and checked, by two processes
// (or more) that are pinned. One JSON object a run, with ringbench's keys.
//
//   peers list
//   peers canary --cpus 0,1                            the round trip of two lines, in nanoseconds
//   peers rtt|throughput|mpsc --transport NAME [--size 64] [--count N] [--batch 1] [--cpus 0,1] [--capacity 4194304] [--producers 1]
//         [--seconds 0.3]
//
// `--count` is the most that is measured; a run takes about `--seconds`.

#include <algorithm>
#include <functional>
#include <thread>
#include <vector>

#include "packaged.h"

namespace {

struct Options {
    std::string mode, transport;
    size_t size = 64, count = 0, batch = 1, capacity = 4 << 20;
    int producers = 1;
    double seconds = 0.3;
    std::vector<int> cpus = {0, 1};
};

// What the processes of a run agree on. Not used while measuring.
struct alignas(kGroup) Word {
    std::atomic<uint64_t> value;
};
struct Meeting {
    Word parent;
    Word arrived[kMostProducers];
    Word start[kMostProducers];
    Usage usage[kMostProducers];
    std::atomic<uint64_t> count;  // of each producer, as the warm-up suggests
};

Clock *clock_of_run;
volatile sig_atomic_t children_ended;
bool between_threads;

void child_ended(int) {
    for (int status; waitpid(-1, &status, WNOHANG) > 0;) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) _exit(1);  // it has said why
        children_ended = children_ended + 1;
    }
}

// Starts the other sides, as processes or, where a queue can't be shared, as threads.
class Others {
    std::vector<std::thread> threads_;
    int count_;

public:
    Others(int count, bool as_threads, const std::function<void(int)> &body) : count_(count) {
        children_ended = 0;
        signal(SIGCHLD, child_ended);
        for (int number = 0; number < count; number++) {
            if (as_threads) {
                threads_.emplace_back(body, number);
                continue;
            }
            pid_t parent = getpid(), child = fork();
            if (child < 0) fail("another process can't be started");
            if (child > 0) continue;
            signal(SIGCHLD, SIG_DFL);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) _exit(1);
            alarm(120);
            body(number);
            _exit(0);
        }
    }
    void await() {
        for (auto &thread : threads_) thread.join();
        while (threads_.empty() && children_ended < count_) usleep(200);
    }
};

void call_together(Meeting &meeting, int count, uint64_t round) {
    Spin spin;
    for (int i = 0; i < count; i++)
        while (meeting.arrived[i].value.load(std::memory_order_acquire) < round) spin.wait();
    meeting.parent.value.store(round, std::memory_order_release);
}

void meet(Meeting &meeting, int number, uint64_t round) {
    meeting.arrived[number].value.store(round, std::memory_order_release);
    for (Spin spin; meeting.parent.value.load(std::memory_order_acquire) < round;) spin.wait();
}

int cpu_of_producer(const Options &options, int number) { return options.cpus[1 + size_t(number) % (options.cpus.size() - 1)]; }

std::string common_json(const Options &options, const char *wait, size_t count, const Usage &usage) {
    char text[1024];
    std::string cpus;
    for (int cpu : options.cpus) cpus += (cpus.empty() ? "" : ",") + std::to_string(cpu);
    snprintf(
        text, sizeof text,
        "{\"transport\":\"%s\",\"mode\":\"%s\",\"size\":%zu,\"count\":%zu,\"wait\":\"%s\",\"cpus\":\"%s\",\"capacity\":%zu,\"batch\":%zu,"
        "\"alignment\":8,\"huge_pages\":false,\"between\":\"%s\",\"cpu_ns_per_msg\":%.2f,\"involuntary_switches\":%ld,"
        "\"voluntary_switches\":%ld,\"compiler\":\"%s\"",
        options.transport.c_str(), options.mode.c_str(), options.size, count, wait, cpus.c_str(), options.capacity, options.batch,
        between_threads ? "threads" : "processes", usage.cpu_ns / double(count), usage.involuntary, usage.voluntary,
        "g++ " __VERSION__ ", " FLAGS);
    return text;
}

// How many more, so that the measuring takes as long as it should.
size_t count_after(const Options &options, size_t most, size_t warmed_up, double nanoseconds) {
    double wanted = options.seconds * 1e9 * double(warmed_up) / std::max(nanoseconds, 1.0);
    size_t count = std::min(options.count ? options.count : most, size_t(std::max(wanted, 1000.0)));
    return std::max(count / options.batch, size_t(1)) * options.batch;
}

template <class P, size_t N> [[gnu::noinline]] void send_all(P &producer, uint64_t first, size_t count, size_t batch) {
    if (batch == 1) {
        for (size_t i = 0; i < count; i++) producer.send(first + i, 1);
    } else {
        for (size_t i = 0; i < count; i += batch) producer.send(first + i, batch);
    }
}

template <class C, class K> [[gnu::noinline]] void receive_all(C &consumer, size_t count, size_t batch, K &check) {
    if (batch == 1) {
        for (size_t i = 0; i < count;) i += consumer.receive(1, check);
    } else {
        for (size_t i = 0; i < count;) i += consumer.receive(std::min(batch, count - i), check);
    }
}

// One way, of one producer or several.
//
// - producer_of, consumer_of: make an end, in the process that uses it.
// - when_open: called when all ends are made.
template <class P, class C, size_t N, bool kOne>
void one_way(
    const Options &options, const char *wait, const std::function<P *(int)> &producer_of, const std::function<C *()> &consumer_of,
    const std::function<void()> &when_open) {
    int producers = kOne ? 1 : options.producers;
    auto &meeting = *static_cast<Meeting *>(shared_memory(sizeof(Meeting)));
    // Each producer touches every page and predicts every branch.
    size_t warm_up = std::max(size_t(2000), 2 * options.capacity / N / size_t(producers));
    if (wait == std::string("sleep")) warm_up = 4000;
    warm_up = (warm_up + options.batch - 1) / options.batch * options.batch;
    Others others(producers, between_threads, [&](int number) {
        pin(cpu_of_producer(options, number));
        P &producer = *producer_of(number);
        uint64_t first = first_number(number);
        meet(meeting, number, 1);
        send_all<P, N>(producer, first, warm_up, options.batch);
        meet(meeting, number, 2);
        size_t count = meeting.count.load(std::memory_order_acquire);
        Usage before = Usage::now(between_threads);
        meeting.start[number].value.store(clock_of_run->ticks(), std::memory_order_relaxed);
        send_all<P, N>(producer, first + warm_up, count, options.batch);
        meeting.usage[number] = Usage::now(between_threads) - before;
        meet(meeting, number, 3);
    });
    pin(options.cpus[0]);
    C &consumer = *consumer_of();
    Check<N, kOne> check;
    call_together(meeting, producers, 1);
    when_open();
    uint64_t begin = clock_of_run->ticks();
    receive_all(consumer, warm_up * size_t(producers), options.batch, check);
    double took = clock_of_run->nanoseconds(clock_of_run->ticks() - begin);
    size_t most = std::min(std::max((size_t(2) << 30) / N, size_t(2000)), size_t(20'000'000)) / size_t(producers);
    size_t count = count_after(options, most, warm_up, took);
    meeting.count.store(count, std::memory_order_release);
    Usage before = Usage::now(between_threads);
    call_together(meeting, producers, 2);
    receive_all(consumer, count * size_t(producers), options.batch, check);
    uint64_t end = clock_of_run->ticks(), start = end;
    Usage usage = Usage::now(between_threads) - before;
    call_together(meeting, producers, 3);
    others.await();
    if (check.is_wrong()) fail(options.transport + ": a message arrived out of turn, or not as it was sent");
    for (int i = 0; i < producers; i++) {
        start = std::min(start, meeting.start[i].value.load());
        usage = usage + meeting.usage[i];
    }
    double rate = double(count * size_t(producers)) / clock_of_run->nanoseconds(end - start) * 1e9;
    std::string json = common_json(options, wait, count * size_t(producers), usage);
    if (options.mode == "mpsc") json += ",\"producers\":" + std::to_string(producers);
    printf("%s,\"msgs_per_s\":%.0f,\"GB_per_s\":%.6f,\"repeats\":[%.0f]}\n", json.c_str(), rate, rate * double(N) / 1e9, rate);
}

std::string latency_json(std::vector<uint32_t> &samples) {
    std::sort(samples.begin(), samples.end());
    auto at = [&](double fraction) { return clock_of_run->nanoseconds(samples[size_t(fraction * double(samples.size() - 1))]); };
    char text[400];
    snprintf(
        text, sizeof text,
        "\"p50_ns\":%.1f,\"p90_ns\":%.1f,\"p99_ns\":%.1f,\"p999_ns\":%.1f,\"p9999_ns\":%.1f,\"max_ns\":%.1f,\"repeats\":[%.1f]", at(0.5),
        at(0.9), at(0.99), at(0.999), at(0.9999), at(1), at(0.5));
    return text;
}

// There and back through two queues, one message at a time.
template <class P, class C, size_t N>
void round_trips(
    const Options &options, const char *wait, const std::function<P *(int)> &producer_of, const std::function<C *(int)> &consumer_of,
    const std::function<void()> &when_open) {
    auto &meeting = *static_cast<Meeting *>(shared_memory(sizeof(Meeting)));
    bool sleeps = wait == std::string("sleep");
    size_t warm_up = sleeps ? 1000 : 30'000;
    Others others(1, between_threads, [&](int) {
        pin(options.cpus[1]);
        C &consumer = *consumer_of(0);
        P &producer = *producer_of(1);
        Check<N, true> check;
        meet(meeting, 0, 1);
        auto echo = [&](uint64_t first, size_t count) {
            for (size_t i = 0; i < count; i++) {
                consumer.receive(1, check);
                producer.send(first + i, 1);
            }
        };
        echo(1, warm_up);
        meet(meeting, 0, 2);
        Usage before = Usage::now(between_threads);
        echo(1 + warm_up, meeting.count.load(std::memory_order_acquire));
        meeting.usage[0] = Usage::now(between_threads) - before;
        if (check.is_wrong()) fail(options.transport + ": a message arrived out of turn, or not as it was sent");
        meet(meeting, 0, 3);
    });
    pin(options.cpus[0]);
    P &producer = *producer_of(0);
    C &consumer = *consumer_of(1);
    Check<N, true> check;
    call_together(meeting, 1, 1);
    when_open();
    std::vector<uint32_t> samples;
    auto measure = [&](uint64_t first, size_t count) {
        samples.assign(count, 0);
        uint64_t before = clock_of_run->ticks();
        for (size_t i = 0; i < count; i++) {
            producer.send(first + i, 1);
            consumer.receive(1, check);
            uint64_t now = clock_of_run->ticks();  // one reading a round trip: the end of one begins the next
            samples[i] = uint32_t(std::min<uint64_t>(now - before, UINT32_MAX));
            before = now;
        }
    };
    uint64_t begin = clock_of_run->ticks();
    measure(1, warm_up);
    size_t count = count_after(options, sleeps ? 30'000 : 300'000, warm_up, clock_of_run->nanoseconds(clock_of_run->ticks() - begin));
    meeting.count.store(count, std::memory_order_release);
    Usage before = Usage::now(between_threads);
    call_together(meeting, 1, 2);
    measure(1 + warm_up, count);
    Usage usage = Usage::now(between_threads) - before;
    call_together(meeting, 1, 3);
    others.await();
    if (check.is_wrong()) fail(options.transport + ": a message arrived out of turn, or not as it was sent");
    printf("%s,%s}\n", common_json(options, wait, count, usage + meeting.usage[0]).c_str(), latency_json(samples).c_str());
}

// The floor: a line each way. After 256 round trips it goes on to another pair of 128, as ringbench does: how long a line takes
// depends on its place in the shared cache.
double canary(const Options &options, size_t count) {
    constexpr size_t kPairs = 128;
    auto *lines = static_cast<Word *>(shared_memory(kPairs * 4 * sizeof(Word)));
    auto wait_for = [](std::atomic<uint64_t> &word, uint64_t value) {
        while (word.load(std::memory_order_acquire) != value) pause_once();
    };
    Others others(1, false, [&](int) {
        pin(options.cpus[1]);
        for (size_t i = 0; i < count; i++) {
            Word *pair = lines + i / 256 % kPairs * 4;
            wait_for(pair[0].value, i + 1);
            pair[2].value.store(i + 1, std::memory_order_release);
        }
    });
    pin(options.cpus[0]);
    std::vector<uint32_t> samples(count);
    uint64_t before = clock_of_run->ticks();
    for (size_t i = 0; i < count; i++) {
        Word *pair = lines + i / 256 % kPairs * 4;
        pair[0].value.store(i + 1, std::memory_order_release);
        wait_for(pair[2].value, i + 1);
        uint64_t now = clock_of_run->ticks();
        samples[i] = uint32_t(std::min<uint64_t>(now - before, UINT32_MAX));
        before = now;
    }
    others.await();
    std::nth_element(samples.begin(), samples.begin() + ptrdiff_t(count / 2), samples.end());
    return clock_of_run->nanoseconds(samples[count / 2]);
}

template <template <size_t> class Queue, size_t N> void run_sized(const Options &options) {
    using Q = Queue<N>;
    using P = typename Q::Producer;
    using C = typename Q::Consumer;
    constexpr bool kThreads = requires { Q::kThreads; };
    between_threads = kThreads;
    bool there_and_back = options.mode == "rtt";
    void *memory[2] = {};
    for (int i = 0; i < (there_and_back ? 2 : 1); i++) {
        memory[i] = shared_memory(Q::bytes(options.capacity));
        Q::make(memory[i], options.capacity);
    }
    auto when_open = [&] {
        if constexpr (requires { Q::forget(nullptr); })
            for (void *queue : memory)
                if (queue) Q::forget(queue);
    };
    if (there_and_back) {
        round_trips<P, C, N>(
            options, Q::kWait, [&](int way) { return new P(memory[way], options.capacity, 0); },
            [&](int way) { return new C(memory[way], options.capacity); }, when_open);
    } else if (options.mode == "throughput") {
        one_way<P, C, N, true>(
            options, Q::kWait, [&](int number) { return new P(memory[0], options.capacity, number); },
            [&] { return new C(memory[0], options.capacity); }, when_open);
    } else {
        one_way<P, C, N, false>(
            options, Q::kWait, [&](int number) { return new P(memory[0], options.capacity, number); },
            [&] { return new C(memory[0], options.capacity); }, when_open);
    }
}

template <template <size_t> class Queue> void run(const Options &options) {
    switch (options.size) {
    case 8: return run_sized<Queue, 8>(options);
    case 64: return run_sized<Queue, 64>(options);
    case 256: return run_sized<Queue, 256>(options);
    case 1024: return run_sized<Queue, 1024>(options);
    case 16384: return run_sized<Queue, 16384>(options);
    default: fail("--size is 8, 64, 256, 1024 or 16384: sizes are constants here");
    }
}

struct Peer {
    const char *name;
    const char *modes;
    const char *about;
    void (*run)(const Options &);
};

const Peer peers[] = {
    {"flag-word", "rtt throughput", "textbook: a word is message and flag; 8 bytes only",
     [](const Options &options) { options.size == 8 ? run_sized<FlagWord, 8>(options) : fail("flag-word carries 8 bytes"); }},
    {"flag-slot", "rtt throughput", "textbook: a slot of whole lines with its flag", run<FlagSlot>},
    {"index-ring", "rtt throughput batch", "textbook: dense, head and tail, each with a copy of the other's index", run<IndexRing>},
    {"vyukov", "rtt throughput batch mpsc total", "textbook: one tail, a sequence a slot; dense", run<VyukovDense>},
    {"vyukov-lines", "rtt throughput batch mpsc total", "the same with slots of whole lines", run<VyukovLines>},
#if HAS_BOOST
    {"boost-spsc", "rtt throughput batch", "boost::lockfree::spsc_queue of fixed capacity",
     [](const Options &options) {
         if (options.capacity == 1 << 20) return run<BoostSpscSmall>(options);
         if (options.capacity == 4 << 20) return run<BoostSpscLarge>(options);
         fail("boost-spsc has the capacities 1048576 and 4194304: they are constants");
     }},
    {"boost-mq", "rtt throughput mpsc total", "boost::interprocess::message_queue: a lock; sleeps", run<BoostMessageQueue>},
#endif
#if HAS_DPDK
    {"dpdk-spsc", "rtt throughput batch", "rte_ring, one producer, in place", run<DpdkSpsc>},
    {"dpdk-mpsc", "mpsc batch total", "rte_ring, many producers: not more than there are processors", run<DpdkMpsc>},
    {"dpdk-mpsc-rts", "mpsc batch total", "the same, relaxed (RTS), for more producers than processors", run<DpdkRelaxed>},
#endif
#if HAS_MOODY_SPSC
    {"moody-spsc-threads", "rtt throughput", "moodycamel::ReaderWriterQueue: BETWEEN THREADS, its memory is the heap's", run<MoodySpsc>},
#endif
#if HAS_MOODY
    {"moody-mpsc", "mpsc batch", "moodycamel::ConcurrentQueue, its memory shared by way of its traits; order of each producer only",
     run<MoodyMpsc>},
#endif
};

bool serves(const Peer &peer, const std::string &mode) {
    return (" " + std::string(peer.modes) + " ").find(" " + mode + " ") != std::string::npos;
}

size_t number(const char *text) {
    char *end;
    size_t value = strtoull(text, &end, 10);
    if (end == text || *end != 0 || value == 0) fail(std::string("'") + text + "' is not a number");
    return value;
}

std::vector<int> cpu_list(const std::string &text) {
    std::vector<int> cpus;
    for (size_t at = 0; at <= text.size();) {
        size_t comma = std::min(text.find(',', at), text.size());
        char *end;
        std::string word = text.substr(at, comma - at);
        cpus.push_back(int(strtol(word.c_str(), &end, 10)));
        if (word.empty() || *end != 0) fail("--cpus takes numbers, as in 0,1");
        at = comma + 1;
    }
    if (cpus.size() < 2) fail("--cpus takes two numbers at least");
    return cpus;
}

Options parse(int argc, char **argv) {
    Options options;
    if (argc < 2) fail("say a mode: list, canary, rtt, throughput or mpsc");
    options.mode = argv[1];
    for (int i = 2; i < argc; i++) {
        std::string word = argv[i];
        if (word == "--json") continue;
        if (i + 1 == argc) fail(word + " needs a value");
        const char *value = argv[++i];
        if (word == "--transport") options.transport = value;
        else if (word == "--size") options.size = number(value);
        else if (word == "--count") options.count = number(value);
        else if (word == "--batch") options.batch = std::min(number(value), size_t(512));
        else if (word == "--capacity") options.capacity = power_of_two_within(number(value));
        else if (word == "--producers") options.producers = int(std::min(number(value), size_t(kMostProducers)));
        else if (word == "--seconds") options.seconds = atof(value);
        else if (word == "--cpus") options.cpus = cpu_list(value);
        else fail("there is no option '" + word + "'");
    }
    return options;
}

}  // namespace

int main(int argc, char **argv) {
    Options options = parse(argc, argv);
    if (options.mode == "list") {
        for (const Peer &peer : peers) printf("%s\t%s\t%s\n", peer.name, peer.modes, peer.about);
        return 0;
    }
    alarm(120);  // should anything hang
    Clock clock;
    clock_of_run = &clock;
    if (options.mode == "canary") {
        printf("%.1f\n", canary(options, options.count ? options.count : 20'000));
        return 0;
    }
    for (const Peer &peer : peers) {
        if (options.transport != peer.name) continue;
        if (!serves(peer, options.mode)) fail(options.transport + " has no " + options.mode);
        peer.run(options);
        return 0;
    }
    fail("there is no transport '" + options.transport + "'; see peers list");
}
