// A C++ process that feeds a Swift service: prices, written in place into a ring.
//
//     feed RING COUNT
#include <sharedring.h>

#include <cstdio>
#include <cstdlib>

namespace {

// As PriceService.Tick.
struct tick {
    uint32_t instrument;
    uint32_t quantity;
    double price;
};

int fail() {
    std::fprintf(stderr, "feed: %s\n", shr_message());
    return 1;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 3) return std::fprintf(stderr, "usage: feed RING COUNT\n"), 2;
    shr_ring *ring;
    shr_producer *producer;
    if (shr_open_or_create(arguments[1], SHR_SPSC, nullptr, &ring) < 0 || shr_producer_open(ring, nullptr, &producer) < 0) return fail();
    const uint64_t ticks = std::strtoull(arguments[2], nullptr, 10);
    uint64_t volume = 0;
    for (uint64_t i = 0; i < ticks; i++) {
        void *place;
        if (shr_claim(producer, sizeof(tick), &place, SHR_FOREVER) < 0) return fail();
        const tick next = {static_cast<uint32_t>(i % 16), static_cast<uint32_t>(i % 100), 100.0 + static_cast<double>(i % 1000) / 10};
        *static_cast<tick *>(place) = next;
        volume += next.quantity;
        if (shr_commit(producer, sizeof(tick), 0) < 0) return fail();
    }
    if (shr_producer_close(producer) < 0) return fail();
    shr_ring_close(ring);
    std::printf("%llu ticks, volume %llu\n", static_cast<unsigned long long>(ticks), static_cast<unsigned long long>(volume));
}
