// Queues that Debian packages, in their best ordinary form: sizes known to the compiler, in place where they allow it, in bulk
// where they have it.
#pragma once

#include "textbook.h"

#if HAS_BOOST
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

// Of fixed capacity it holds no pointer, so it may lie in shared memory. It copies in; it is read in place.
template <size_t N, size_t kCapacity> struct BoostSpsc {
    using Queue = boost::lockfree::spsc_queue<Message<N>, boost::lockfree::capacity<kCapacity / N>>;
    static constexpr const char *kWait = "spin";
    static size_t bytes(size_t) { return sizeof(Queue); }
    static void make(void *memory, size_t) { new (memory) Queue(); }

    struct Producer {
        Queue &queue;
        Message<N> messages[N >= 4096 ? 8 : 512];

        Producer(void *memory, size_t, int) : queue(*static_cast<Queue *>(memory)) {}

        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            if (n == 1) {
                fill<N>(messages, first);
                for (Spin spin; !queue.push(messages[0]);) spin.wait();
                return;
            }
            for (size_t done = 0; done < n;) {
                size_t some = std::min(n - done, std::size(messages));
                for (size_t i = 0; i < some; i++) fill<N>(&messages[i], first + done + i);
                const Message<N> *next = messages, *end = messages + some;
                for (Spin spin; (next = queue.push(next, end)) != end;) spin.wait();
                done += some;
            }
        }
    };

    struct Consumer {
        Queue &queue;
        Consumer(void *memory, size_t) : queue(*static_cast<Queue *>(memory)) {}

        // In bulk it takes all that is there, which may be more than was asked for.
        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            auto body = [&](const Message<N> &message) { check(&message); };
            for (Spin spin;;) {
                size_t taken = most == 1 ? queue.consume_one(body) : queue.consume_all(body);
                if (taken > 0) return taken;
                spin.wait();
            }
        }
    };
};

template <size_t N> using BoostSpscSmall = BoostSpsc<N, (1 << 20)>;
template <size_t N> using BoostSpscLarge = BoostSpsc<N, (4 << 20)>;

// A priority queue under a lock, by name. It sleeps.
template <size_t N> struct BoostMessageQueue {
    using Queue = boost::interprocess::message_queue;
    static constexpr const char *kWait = "sleep";
    static std::string name() {
        static const std::string unique = "sharedring-peers-" + std::to_string(getpid()) + "-";
        return unique;
    }
    static size_t bytes(size_t) { return 64; }
    // The memory holds only which of the run's queues this is.
    static void make(void *memory, size_t capacity) {
        static int count = 0;
        *static_cast<int *>(memory) = count;
        std::string name = BoostMessageQueue::name() + std::to_string(count++);
        Queue::remove(name.c_str());
        Queue queue(boost::interprocess::create_only, name.c_str(), std::max(capacity / N, size_t(4)), N);
    }

    struct Side {
        Queue queue;
        Message<N> message;
        explicit Side(void *memory)
            : queue(boost::interprocess::open_only, (name() + std::to_string(*static_cast<int *>(memory))).c_str()) {}
    };
    struct Producer : Side {
        Producer(void *memory, size_t, int) : Side(memory) {}
        void send(uint64_t first, size_t n) {
            for (size_t i = 0; i < n; i++) {
                fill<N>(&this->message, first + i);
                this->queue.send(&this->message, N, 0);
            }
        }
    };
    struct Consumer : Side {
        Consumer(void *memory, size_t) : Side(memory) {}
        template <class C> size_t receive(size_t, C &check) {
            size_t size;
            unsigned priority;
            this->queue.receive(&this->message, N, size, priority);
            check(&this->message);
            return 1;
        }
    };
    // Its names go when both sides have opened them.
    static void forget(void *memory) { Queue::remove((name() + std::to_string(*static_cast<int *>(memory))).c_str()); }
};
#endif

#if HAS_DPDK
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>
#pragma GCC diagnostic pop

// DPDK's ring, of elements as large as the messages. With one producer it is written in place, and it is read in place.
// With many producers in its plain form, where one that loses its processor between head and tail stops the others; and in the
// one that is meant for more producers than processors (`RTS`).
enum class DpdkProducers { one, many, many_relaxed };

template <size_t N, DpdkProducers kProducers> struct DpdkRing {
    static constexpr bool kManyProducers = kProducers != DpdkProducers::one;
    static constexpr const char *kWait = "spin";
    // One slot of the power of two stays free.
    static unsigned slots(size_t capacity) { return unsigned(std::max(power_of_two_within(capacity / N), size_t(4))); }
    static size_t bytes(size_t capacity) { return size_t(rte_ring_get_memsize_elem(N, slots(capacity))); }
    static void make(void *memory, size_t capacity) {
        unsigned flags = RING_F_SC_DEQ;
        if (kProducers == DpdkProducers::one) flags |= RING_F_SP_ENQ;
        if (kProducers == DpdkProducers::many_relaxed) flags |= RING_F_MP_RTS_ENQ;
        if (rte_ring_init(static_cast<rte_ring *>(memory), "peers", slots(capacity), flags) != 0) fail("rte_ring_init refused");
    }

    struct Producer {
        rte_ring *ring;
        Message<N> messages[kManyProducers ? (N >= 4096 ? 8 : 512) : 1];
        Producer(void *memory, size_t, int) : ring(static_cast<rte_ring *>(memory)) {}

        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            for (size_t done = 0; done < n;) {
                size_t some;
                if constexpr (kManyProducers) {
                    some = std::min(n - done, std::size(messages));
                    for (size_t i = 0; i < some; i++) fill<N>(&messages[i], first + done + i);
                    size_t sent = 0;
                    for (Spin spin;;) {
                        auto *next = messages + sent;
                        if constexpr (kProducers == DpdkProducers::many)
                            sent += rte_ring_mp_enqueue_burst_elem(ring, next, N, unsigned(some - sent), nullptr);
                        else
                            sent += rte_ring_mp_rts_enqueue_burst_elem(ring, next, N, unsigned(some - sent), nullptr);
                        if (sent == some) break;
                        spin.wait();
                    }
                } else {
                    rte_ring_zc_data place;
                    for (Spin spin;;) {
                        some = rte_ring_enqueue_zc_burst_elem_start(ring, N, unsigned(n - done), &place, nullptr);
                        if (some > 0) break;
                        spin.wait();
                    }
                    for (size_t i = 0; i < place.n1; i++) fill<N>(static_cast<char *>(place.ptr1) + i * N, first + done + i);
                    for (size_t i = place.n1; i < some; i++)
                        fill<N>(static_cast<char *>(place.ptr2) + (i - place.n1) * N, first + done + i);
                    rte_ring_enqueue_zc_elem_finish(ring, unsigned(some));
                }
                done += some;
            }
        }
    };

    struct Consumer {
        rte_ring *ring;
        Consumer(void *memory, size_t) : ring(static_cast<rte_ring *>(memory)) {}

        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            rte_ring_zc_data place;
            size_t some;
            for (Spin spin;;) {
                some = rte_ring_dequeue_zc_burst_elem_start(ring, N, unsigned(most), &place, nullptr);
                if (some > 0) break;
                spin.wait();
            }
            for (size_t i = 0; i < std::min<size_t>(place.n1, some); i++) check(static_cast<char *>(place.ptr1) + i * N);
            for (size_t i = place.n1; i < some; i++) check(static_cast<char *>(place.ptr2) + (i - place.n1) * N);
            rte_ring_dequeue_zc_elem_finish(ring, unsigned(some));
            return some;
        }
    };
};
template <size_t N> using DpdkSpsc = DpdkRing<N, DpdkProducers::one>;
template <size_t N> using DpdkMpsc = DpdkRing<N, DpdkProducers::many>;
template <size_t N> using DpdkRelaxed = DpdkRing<N, DpdkProducers::many_relaxed>;
#endif

#if HAS_MOODY_SPSC
#include <readerwriterqueue.h>

// It allocates its blocks with `malloc`, so it can't lie in shared memory: BETWEEN THREADS of one process, and labelled so.
template <size_t N> struct MoodySpsc {
    using Queue = moodycamel::ReaderWriterQueue<Message<N>>;
    static constexpr const char *kWait = "spin";
    static constexpr bool kThreads = true;
    static size_t bytes(size_t) { return sizeof(Queue); }
    static void make(void *memory, size_t capacity) { new (memory) Queue(std::max(capacity / N, size_t(4))); }

    struct Producer {
        Queue &queue;
        Message<N> message;
        Producer(void *memory, size_t, int) : queue(*static_cast<Queue *>(memory)) {}
        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            for (size_t i = 0; i < n; i++) {
                fill<N>(&message, first + i);
                for (Spin spin; !queue.try_enqueue(message);) spin.wait();
            }
        }
    };
    struct Consumer {
        Queue &queue;
        Consumer(void *memory, size_t) : queue(*static_cast<Queue *>(memory)) {}
        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            size_t taken = 0;
            for (Spin spin; taken < most;) {
                const Message<N> *message = queue.peek();
                if (message == nullptr) {
                    if (taken > 0) break;
                    spin.wait();
                    continue;
                }
                check(message);
                queue.pop();
                taken++;
            }
            return taken;
        }
    };
};
#endif

#if HAS_MOODY
#include <concurrentqueue.h>

// Its traits say where its memory comes from: here from memory that is shared, mapped at one address in all processes. It orders
// the messages of one producer, and not those of two.
struct Arena {
    std::atomic<size_t> used;
    size_t size;
    static inline Arena *shared = nullptr;
};

struct SharedTraits : moodycamel::ConcurrentQueueDefaultTraits {
    static const size_t BLOCK_SIZE = 256;
    static const size_t EXPLICIT_INITIAL_INDEX_SIZE = 4096;
    static void *malloc(size_t size) {
        Arena *arena = Arena::shared;
        size_t at = arena->used.fetch_add((size + 127) / 128 * 128);
        return at + size <= arena->size ? reinterpret_cast<char *>(arena) + at : nullptr;
    }
    static void free(void *) {}
};

template <size_t N> struct MoodyMpsc {
    using Queue = moodycamel::ConcurrentQueue<Message<N>, SharedTraits>;
    static constexpr const char *kWait = "spin";
    static constexpr size_t kExtra = size_t(64) << 20;
    static size_t queue_size() { return (sizeof(Queue) + 127) / 128 * 128; }
    static size_t bytes(size_t capacity) { return queue_size() + 128 + capacity * 2 + kExtra; }
    static void make(void *memory, size_t capacity) {
        Arena::shared = new (static_cast<char *>(memory) + queue_size()) Arena();
        Arena::shared->used = 128;
        Arena::shared->size = bytes(capacity) - queue_size();
        new (memory) Queue(std::max(capacity / N, size_t(256)));
    }

    struct Producer {
        Queue &queue;
        moodycamel::ProducerToken token;
        Message<N> messages[N >= 4096 ? 8 : 512];
        Producer(void *memory, size_t, int) : queue(*static_cast<Queue *>(memory)), token(queue) {
            if (!token.valid()) fail("the shared memory of concurrentqueue is used up");
        }

        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            for (size_t done = 0; done < n;) {
                size_t some = std::min(n - done, std::size(messages));
                for (size_t i = 0; i < some; i++) fill<N>(&messages[i], first + done + i);
                if (some == 1) {
                    for (Spin spin; !queue.try_enqueue(token, messages[0]);) spin.wait();
                } else {
                    for (Spin spin; !queue.try_enqueue_bulk(token, messages, some);) spin.wait();
                }
                done += some;
            }
        }
    };
    struct Consumer {
        Queue &queue;
        moodycamel::ConsumerToken token;
        Message<N> messages[N >= 4096 ? 8 : 512];
        Consumer(void *memory, size_t) : queue(*static_cast<Queue *>(memory)), token(queue) {}

        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            for (Spin spin;;) {
                size_t some = queue.try_dequeue_bulk(token, messages, std::min(most, std::size(messages)));
                for (size_t i = 0; i < some; i++) check(&messages[i]);
                if (some > 0) return some;
                spin.wait();
            }
        }
    };
};
#endif
