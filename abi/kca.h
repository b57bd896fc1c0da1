/* What C and C++ include. The contract, with all documentation, is in kca_abi.h. */
#ifndef KCA_H
#define KCA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#include "kca_abi.h"

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
