/* A record: this header, then the payload; records stand record_alignment apart.
 *
 *     63                              32 31 30                              0
 *    +----------------------------------+-+---------------------------------+
 *    | tag, the sender's                |1| payload byte count              |
 *    +----------------------------------+-+---------------------------------+
 *
 * All zero: nothing here yet. Byte count 2^31 - 1: an end record, the end of a stream; its tag is the epoch that its producer
 * had after it ended: even, it closed; odd, it died, and its successor wrote the record.
 */
#ifndef SHAREDRING_RECORDS_H
#define SHAREDRING_RECORDS_H

#define SR_RECORD_PRESENT 0x80000000ULL
#define SR_RECORD_COUNT_MASK 0x7fffffffULL
#define SR_RECORD_END 0x7fffffffULL
#define SR_RECORD_HEADER_SIZE 8

#endif
