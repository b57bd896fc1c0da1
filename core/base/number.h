#ifndef KCA_BASE_NUMBER_H
#define KCA_BASE_NUMBER_H

static inline int kca__min_int(int a, int b) {
    return a < b ? a : b;
}

#endif
