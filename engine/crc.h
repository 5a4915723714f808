/* CRC-32C (Castagnoli; RFC 3720, appendix B.4), by the processor's own instruction where it has
 * one, else by eight tables ("slicing by 8").
 */
#ifndef PRICETIME_CRC_H
#define PRICETIME_CRC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t crc_table[8][256];

static inline void crc_prepare(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1)));
        crc_table[0][byte] = crc;
    }
    for (int slice = 1; slice < 8; slice++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = crc_table[slice - 1][byte];
            crc_table[slice][byte] = before >> 8 ^ crc_table[0][before & 0xFF];
        }
}

static inline uint32_t crc_by_tables(uint32_t crc, const uint8_t *data, size_t size)
{
    for (; size >= 8; data += 8, size -= 8) {
        crc ^= (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16
            | (uint32_t)data[3] << 24;
        crc = crc_table[7][crc & 0xFF] ^ crc_table[6][crc >> 8 & 0xFF]
            ^ crc_table[5][crc >> 16 & 0xFF] ^ crc_table[4][crc >> 24]
            ^ crc_table[3][data[4]] ^ crc_table[2][data[5]]
            ^ crc_table[1][data[6]] ^ crc_table[0][data[7]];
    }
    for (; size > 0; data++, size--)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *data) & 0xFF];
    return crc;
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CRC_TARGET __attribute__((target("sse4.2")))
#define crc_word(crc, word) ((uint32_t)__builtin_ia32_crc32di((crc), (word)))
#define crc_byte(crc, byte) __builtin_ia32_crc32qi((crc), (byte))
static inline int crc_has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRC_TARGET
#define crc_word(crc, word) __crc32cd((crc), (word))
#define crc_byte(crc, byte) __crc32cb((crc), (byte))
static inline int crc_has_instruction(void) { return 1; }
#endif

#ifdef CRC_TARGET
CRC_TARGET static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *data, size_t size)
{
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = crc_word(crc, word);
    }
    for (; size > 0; data++, size--)
        crc = crc_byte(crc, *data);
    return crc;
}
#else
#define crc_by_instruction crc_by_tables
static inline int crc_has_instruction(void) { return 0; }
#endif

#endif
