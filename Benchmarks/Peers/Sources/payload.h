// What every message holds: its number, over and over. Senders write all of it and receivers read all of it with this code,
// for every peer alike, as ringbench does.
#pragma once

#include <cstdint>
#include <cstring>

template <size_t N> struct alignas(8) Message {
    static_assert(N % 8 == 0);
    uint64_t words[N / 8];
};

template <size_t N> [[gnu::always_inline]] inline void fill(void *place, uint64_t number) {
    auto *words = static_cast<uint64_t *>(place);
    for (size_t i = 0; i < N / 8; i++) words[i] = number;
}

// Not 0 if a word is not the number.
template <size_t N> [[gnu::always_inline]] inline uint64_t difference(const void *place, uint64_t number) {
    auto *words = static_cast<const uint64_t *>(place);
    uint64_t difference = 0;
    for (size_t i = 0; i < N / 8; i++) difference |= words[i] ^ number;
    return difference;
}

// What the consumer expects: of each producer, its next number. The upper bits of a number are its producer.
constexpr int kProducerShift = 40;
constexpr int kMostProducers = 64;

inline uint64_t first_number(int producer) { return (uint64_t(producer) << kProducerShift) + 1; }

template <size_t N, bool kOneProducer> class Check {
    uint64_t expected_[kOneProducer ? 1 : kMostProducers];
    uint64_t wrong_ = 0;

public:
    Check() {
        for (int i = 0; i < (kOneProducer ? 1 : kMostProducers); i++) expected_[i] = first_number(i);
    }

    [[gnu::always_inline]] void operator()(const void *place) {
        if constexpr (kOneProducer) {
            wrong_ |= difference<N>(place, expected_[0]++);
        } else {
            uint64_t number = *static_cast<const uint64_t *>(place);
            uint64_t producer = (number >> kProducerShift) % kMostProducers;
            wrong_ |= difference<N>(place, number) | (expected_[producer] ^ number);
            expected_[producer] = number + 1;
        }
    }

    bool is_wrong() const { return wrong_ != 0; }
};
