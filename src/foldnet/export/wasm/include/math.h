/* math.h where there is no library of C: instructions of the machine, and a function of the compiler's own library. */

#ifndef FOLDNET_MATH_H
#define FOLDNET_MATH_H

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")

#define fabs __builtin_fabs
#define fabsf __builtin_fabsf
#define sqrt __builtin_sqrt
#define floor __builtin_floor
#define ceil __builtin_ceil
#define sqrtf __builtin_sqrtf
#define floorf __builtin_floorf
#define ceilf __builtin_ceilf
#define truncf __builtin_truncf
#define rintf __builtin_rintf

double sin(double);

/* What code names that is left out here, where a double is more than a float. */
float sinf(float), cosf(float), tanf(float), fmodf(float, float), powf(float, float);

#endif
