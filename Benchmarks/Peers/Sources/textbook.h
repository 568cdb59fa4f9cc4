// Small schemes out of textbooks, written here from the general idea: what a ring can be that promises nothing about crashes,
// untrusted peers or messages of different sizes.
//
// Each is a type of two parts. `Producer::send(first, n)` sends n messages numbered from `first`; `Consumer::receive(most, check)`
// hands at most so many messages to `check` and returns how many. Both wait.
#pragma once

#include <algorithm>
#include <atomic>

#include "machine.h"
#include "payload.h"

inline size_t power_of_two_within(size_t count) {
    size_t power = 1;
    while (power * 2 <= count) power *= 2;
    return power;
}

// A word is the message and its flag: 0 is empty (FastForward: Giacomoni, Moseley, Vachharajani, PPoPP 2008). The consumer
// clears a whole line when it has left it, so that the two do not meet in one.
template <size_t N> struct FlagWord {
    static_assert(N == 8);
    using Word = std::atomic<uint64_t>;
    static constexpr const char *kWait = "spin";

    static size_t bytes(size_t capacity) { return std::max(capacity, size_t(4096)); }
    static void make(void *, size_t) {}  // zeros are empty

    struct Producer {
        Word *words;
        size_t mask, next = 0;
        Producer(void *memory, size_t capacity, int) : words(static_cast<Word *>(memory)), mask(bytes(capacity) / 8 - 1) {}

        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            for (size_t i = 0; i < n; i++) {
                Word &word = words[next++ & mask];
                for (Spin spin; word.load(std::memory_order_acquire) != 0;) spin.wait();
                word.store(first + i, std::memory_order_release);
            }
        }
    };

    struct Consumer {
        Word *words;
        size_t mask, next = 0;
        Consumer(void *memory, size_t capacity) : words(static_cast<Word *>(memory)), mask(bytes(capacity) / 8 - 1) {}

        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            size_t taken = 0;
            for (Spin spin; taken < most;) {
                uint64_t number = words[next & mask].load(std::memory_order_acquire);
                if (number == 0) {
                    if (taken > 0) break;
                    spin.wait();
                    continue;
                }
                check(&number);
                taken++;
                if (++next % 8 == 0) {
                    for (size_t i = next - 8; i < next; i++) words[i & mask].store(0, std::memory_order_release);
                }
            }
            return taken;
        }
    };
};

// A slot of whole cache lines, whose first word is its flag. The consumer clears a flag one slot behind.
template <size_t N> struct FlagSlot {
    static constexpr size_t kStride = (N + 8 + 63) / 64 * 64;
    static constexpr const char *kWait = "spin";
    static size_t slots(size_t capacity) { return std::max(power_of_two_within(capacity / kStride), size_t(4)); }
    static size_t bytes(size_t capacity) { return slots(capacity) * kStride; }
    static void make(void *, size_t) {}

    struct Side {
        char *memory;
        size_t mask, next = 0;
        Side(void *memory, size_t capacity) : memory(static_cast<char *>(memory)), mask(slots(capacity) - 1) {}
        char *slot(size_t position) { return memory + (position & mask) * kStride; }
        static std::atomic<uint64_t> &flag(char *slot) { return *reinterpret_cast<std::atomic<uint64_t> *>(slot); }
    };

    struct Producer : Side {
        Producer(void *memory, size_t capacity, int) : Side(memory, capacity) {}

        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            for (size_t i = 0; i < n; i++) {
                char *slot = this->slot(this->next++);
                for (Spin spin; this->flag(slot).load(std::memory_order_acquire) != 0;) spin.wait();
                fill<N>(slot + 8, first + i);
                this->flag(slot).store(1, std::memory_order_release);
            }
        }
    };

    struct Consumer : Side {
        using Side::Side;

        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            size_t taken = 0;
            for (Spin spin; taken < most;) {
                char *slot = this->slot(this->next);
                if (this->flag(slot).load(std::memory_order_acquire) == 0) {
                    if (taken > 0) break;
                    spin.wait();
                    continue;
                }
                check(slot + 8);
                if (this->next > 0) this->flag(this->slot(this->next - 1)).store(0, std::memory_order_release);
                this->next++;
                taken++;
            }
            return taken;
        }
    };
};

// Messages without gaps between a head and a tail (Lamport 1983), each side with a copy of the other's index that it renews
// only when it seems to have nothing left.
template <size_t N> struct IndexRing {
    struct alignas(kGroup) Index {
        std::atomic<uint64_t> value;
    };
    struct Shared {
        Index tail, head;
    };
    static constexpr const char *kWait = "spin";
    static size_t slots(size_t capacity) { return std::max(power_of_two_within(capacity / N), size_t(4)); }
    static size_t bytes(size_t capacity) { return sizeof(Shared) + slots(capacity) * N; }
    static void make(void *memory, size_t) { new (memory) Shared(); }

    struct Side {
        Shared &shared;
        char *data;
        uint64_t size, position = 0, other = 0;
        Side(void *memory, size_t capacity)
            : shared(*static_cast<Shared *>(memory)), data(static_cast<char *>(memory) + sizeof(Shared)), size(slots(capacity)) {}
        char *slot(uint64_t position) { return data + (position & (size - 1)) * N; }
    };

    struct Producer : Side {
        Producer(void *memory, size_t capacity, int) : Side(memory, capacity) {}

        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            for (size_t done = 0; done < n;) {
                for (Spin spin; this->position - this->other == this->size;) {
                    this->other = this->shared.head.value.load(std::memory_order_acquire);
                    if (this->position - this->other == this->size) spin.wait();
                }
                size_t some = std::min(n - done, size_t(this->size - (this->position - this->other)));
                for (size_t i = 0; i < some; i++) fill<N>(this->slot(this->position + i), first + done + i);
                this->position += some;
                done += some;
                this->shared.tail.value.store(this->position, std::memory_order_release);
            }
        }
    };

    struct Consumer : Side {
        using Side::Side;

        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            for (Spin spin; this->position == this->other;) {
                this->other = this->shared.tail.value.load(std::memory_order_acquire);
                if (this->position == this->other) spin.wait();
            }
            size_t some = std::min(most, size_t(this->other - this->position));
            for (size_t i = 0; i < some; i++) check(this->slot(this->position + i));
            this->position += some;
            this->shared.head.value.store(this->position, std::memory_order_release);
            return some;
        }
    };
};

// Many producers: one tail that they move with a compare-and-swap, and a sequence number in each slot that tells whose turn it
// is (Vyukov's bounded queue). A producer that is killed between the two stops all others for good.
template <size_t N, bool kWholeLines> struct Vyukov {
    static constexpr size_t kStride = kWholeLines ? (N + 8 + 63) / 64 * 64 : N + 8;
    struct alignas(kGroup) Shared {
        std::atomic<uint64_t> tail;
    };
    static constexpr const char *kWait = "spin";
    static size_t slots(size_t capacity) { return std::max(power_of_two_within(capacity / kStride), size_t(4)); }
    static size_t bytes(size_t capacity) { return sizeof(Shared) + slots(capacity) * kStride; }
    static std::atomic<uint64_t> &sequence(char *slot) { return *reinterpret_cast<std::atomic<uint64_t> *>(slot); }
    static void make(void *memory, size_t capacity) {
        new (memory) Shared();
        char *data = static_cast<char *>(memory) + sizeof(Shared);
        for (size_t i = 0; i < slots(capacity); i++) sequence(data + i * kStride).store(i, std::memory_order_relaxed);
    }

    struct Side {
        Shared &shared;
        char *data;
        uint64_t size;
        Side(void *memory, size_t capacity)
            : shared(*static_cast<Shared *>(memory)), data(static_cast<char *>(memory) + sizeof(Shared)), size(slots(capacity)) {}
        char *slot(uint64_t position) { return data + (position & (size - 1)) * kStride; }
    };

    struct Producer : Side {
        Producer(void *memory, size_t capacity, int) : Side(memory, capacity) {}

        [[gnu::always_inline]] void send(uint64_t first, size_t n) {
            for (size_t done = 0; done < n;) {
                size_t some = std::min(n - done, size_t(this->size / 2));
                uint64_t position = claim(some);
                for (size_t i = 0; i < some; i++) {
                    char *slot = this->slot(position + i);
                    fill<N>(slot + 8, first + done + i);
                    sequence(slot).store(position + i + 1, std::memory_order_release);
                }
                done += some;
            }
        }

        // The consumer frees slots in order: where the last one is free, all before it are.
        [[gnu::always_inline]] uint64_t claim(size_t some) {
            uint64_t position = this->shared.tail.load(std::memory_order_relaxed);
            for (Spin spin;;) {
                uint64_t last = position + some - 1;
                int64_t ahead = int64_t(sequence(this->slot(last)).load(std::memory_order_acquire) - last);
                if (ahead == 0) {
                    if (this->shared.tail.compare_exchange_weak(position, position + some, std::memory_order_relaxed)) return position;
                    continue;
                }
                if (ahead < 0) spin.wait();
                position = this->shared.tail.load(std::memory_order_relaxed);
            }
        }
    };

    struct Consumer : Side {
        uint64_t position = 0;
        Consumer(void *memory, size_t capacity) : Side(memory, capacity) {}

        template <class C> [[gnu::always_inline]] size_t receive(size_t most, C &check) {
            size_t taken = 0;
            for (Spin spin; taken < most;) {
                char *slot = this->slot(position);
                if (sequence(slot).load(std::memory_order_acquire) != position + 1) {
                    if (taken > 0) break;
                    spin.wait();
                    continue;
                }
                check(slot + 8);
                sequence(slot).store(position + this->size, std::memory_order_release);
                position++;
                taken++;
            }
            return taken;
        }
    };
};
template <size_t N> using VyukovDense = Vyukov<N, false>;
template <size_t N> using VyukovLines = Vyukov<N, true>;
