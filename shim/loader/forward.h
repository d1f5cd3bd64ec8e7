/* Wrappers of vendor routines by their number of arguments: for functions whose arguments are all integers and pointers, which both of
 * our ABIs (System V x86-64, AAPCS64) pass as one register or eight-byte slot each, whatever their width. A wrapper hands on
 * every slot as it came. For tables of hundreds of routines that are forwarded untouched; what we change has its prototype. */
#ifndef DET_LOADER_FORWARD_H
#define DET_LOADER_FORWARD_H

#include <stdint.h>

/* Declarations of a1 ... an, and their values. */
#define DET_WORDS_1   uintptr_t a1
#define DET_WORDS_2   DET_WORDS_1, uintptr_t a2
#define DET_WORDS_3   DET_WORDS_2, uintptr_t a3
#define DET_WORDS_4   DET_WORDS_3, uintptr_t a4
#define DET_WORDS_5   DET_WORDS_4, uintptr_t a5
#define DET_WORDS_6   DET_WORDS_5, uintptr_t a6
#define DET_WORDS_7   DET_WORDS_6, uintptr_t a7
#define DET_WORDS_8   DET_WORDS_7, uintptr_t a8
#define DET_WORDS_9   DET_WORDS_8, uintptr_t a9
#define DET_WORDS_10  DET_WORDS_9, uintptr_t a10
#define DET_WORDS_11  DET_WORDS_10, uintptr_t a11
#define DET_WORDS_12  DET_WORDS_11, uintptr_t a12
#define DET_WORDS_13  DET_WORDS_12, uintptr_t a13
#define DET_WORDS_14  DET_WORDS_13, uintptr_t a14
#define DET_WORDS_15  DET_WORDS_14, uintptr_t a15
#define DET_WORDS_16  DET_WORDS_15, uintptr_t a16
#define DET_WORDS_17  DET_WORDS_16, uintptr_t a17
#define DET_WORDS_18  DET_WORDS_17, uintptr_t a18
#define DET_WORDS_19  DET_WORDS_18, uintptr_t a19
#define DET_WORDS_20  DET_WORDS_19, uintptr_t a20
#define DET_WORDS_21  DET_WORDS_20, uintptr_t a21
#define DET_WORDS_22  DET_WORDS_21, uintptr_t a22
#define DET_WORDS_23  DET_WORDS_22, uintptr_t a23
#define DET_WORDS_24  DET_WORDS_23, uintptr_t a24
#define DET_VALUES_1  a1
#define DET_VALUES_2  DET_VALUES_1, a2
#define DET_VALUES_3  DET_VALUES_2, a3
#define DET_VALUES_4  DET_VALUES_3, a4
#define DET_VALUES_5  DET_VALUES_4, a5
#define DET_VALUES_6  DET_VALUES_5, a6
#define DET_VALUES_7  DET_VALUES_6, a7
#define DET_VALUES_8  DET_VALUES_7, a8
#define DET_VALUES_9  DET_VALUES_8, a9
#define DET_VALUES_10 DET_VALUES_9, a10
#define DET_VALUES_11 DET_VALUES_10, a11
#define DET_VALUES_12 DET_VALUES_11, a12
#define DET_VALUES_13 DET_VALUES_12, a13
#define DET_VALUES_14 DET_VALUES_13, a14
#define DET_VALUES_15 DET_VALUES_14, a15
#define DET_VALUES_16 DET_VALUES_15, a16
#define DET_VALUES_17 DET_VALUES_16, a17
#define DET_VALUES_18 DET_VALUES_17, a18
#define DET_VALUES_19 DET_VALUES_18, a19
#define DET_VALUES_20 DET_VALUES_19, a20
#define DET_VALUES_21 DET_VALUES_20, a21
#define DET_VALUES_22 DET_VALUES_21, a22
#define DET_VALUES_23 DET_VALUES_22, a23
#define DET_VALUES_24 DET_VALUES_23, a24

#endif
