/* liblbfgs on the two objectives of bars.py.
 *
 *     cc -O3 -march=native liblbfgs_rosenbrock.c -llbfgs -lm -o liblbfgs_rosenbrock
 *     ./liblbfgs_rosenbrock rosenbrock N GTOL REPEATS        the chained Rosenbrock function, to convergence
 *     ./liblbfgs_rosenbrock quartic N ITERATIONS REPEATS     sum c_i x_i^2 / 2 + x_i^4 / 4, so many iterations
 *
 * prints: iterations, evaluations, |g|_inf, least seconds of lbfgs(). m = 10, and the library's own line search
 * (More-Thuente). Its stopping test is |g|_2 < epsilon max(1, |x|_2); epsilon is set so that this is |g|_2 < GTOL at the
 * minimizer (1, .., 1), which is at least as strict as |g|_inf <= GTOL.
 */
#include <lbfgs.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int n_evaluations, n_iterations;
static double gnorm;

static double rosenbrock(void *data, const double *x, double *g, const int n, const double step)
{
    double f = 0.0;
    n_evaluations++;
    g[0] = 0.0;
    for (int i = 0; i < n - 1; i++) {
        double a = x[i + 1] - x[i] * x[i], b = 1.0 - x[i];
        f += 100.0 * a * a + b * b;
        g[i] -= 400.0 * a * x[i] + 2.0 * b;
        g[i + 1] = 200.0 * a;
    }
    return f;
}

static double quartic(void *data, const double *x, double *g, const int n, const double step)
{
    double f = 0.0, slope = 999.0 / n;
    n_evaluations++;
    for (int i = 0; i < n; i++) {
        double c = 1.0 + slope * i, z = x[i] * x[i];
        f += z * (0.5 * c + 0.25 * z);
        g[i] = x[i] * (c + z);
    }
    return f;
}

static int progress(void *data, const double *x, const double *g, const double f, const double xnorm, const double g2,
                    const double step, int n, int k, int trials)
{
    n_iterations = k;
    return 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    int rosen = !strcmp(argv[1], "rosenbrock"), n = atoi(argv[2]), repeats = atoi(argv[4]);
    double limit = atof(argv[3]), least = INFINITY;
    lbfgs_evaluate_t objective = rosen ? rosenbrock : quartic;
    double *x = lbfgs_malloc(n), *g = lbfgs_malloc(n);
    lbfgs_parameter_t options;

    lbfgs_parameter_init(&options);
    options.m = 10;
    options.epsilon = rosen ? limit / sqrt(n) : 1e-300;
    options.max_iterations = rosen ? 0 : (int)limit;
    for (int r = 0; r < repeats; r++) {
        double f;
        for (int i = 0; i < n; i++) x[i] = rosen && i % 2 == 0 ? -1.2 : 1.0;
        n_evaluations = 0;
        double begun = now();
        lbfgs(n, x, &f, objective, progress, NULL, &options);
        least = fmin(least, now() - begun);
    }
    int counted = n_evaluations;
    objective(NULL, x, g, n, 0.0);
    for (int i = 0; i < n; i++) gnorm = fmax(gnorm, fabs(g[i]));
    printf("%d %d %.3e %.6e\n", n_iterations, counted, gnorm, least);
    return 0;
}
