/*
 * The switch of the mutants that c_mutants.py builds into the sources: included before everything else,
 * so it includes nothing itself. $HARPSWEEP_MUTANT is the number of the one that is on; to the file
 * $HARPSWEEP_MUTANTS_REACHED it is written which ones would have made a difference.
 */
#ifndef HARPSWEEP_MUTANT_H
#define HARPSWEEP_MUTANT_H

extern int mutant_on;
extern unsigned char *mutants_reached; /* one byte for each number; NULL: not asked for */

/* value, unless one of the two mutants of this place is on. 0: there is no such mutant. */
static inline int
mutant(int when_true, int when_false, int value)
{
    if (mutants_reached != 0) {
        mutants_reached[value ? when_false : when_true] = 1;
    }
    if (mutant_on != 0 && mutant_on == (value ? when_false : when_true)) {
        return !value;
    }
    return value;
}

/* The mutant of a query in place of the query: $HARPSWEEP_MUTANT_QUERY is a file that holds both, each
 * with a NUL behind it. */
const char *mutant_query(const char *query);

#endif
