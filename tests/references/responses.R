# Maximum likelihood of regressions by survival, MASS and VGAM: `Rscript responses.R` in this folder
# writes responses.json. Coefficients in the order (intercept, z, w), then the family's numbers in
# the parameterization of the function named, and the log-likelihood.
suppressMessages({library(survival); library(MASS); library(VGAM); library(jsonlite)})
d <- read.csv("responses.csv")
out <- list()
note <- function(name, coef, own, logl) {
  out[[name]] <<- list(coef = unname(coef), own = unname(own), logl = as.numeric(logl))
}
tight <- survreg.control(rel.tolerance = 1e-12, maxiter = 200)
# -1: left-censored, 1: right-censored
flagged <- with(d, Surv(ifelse(flag == -1, NA, time), ifelse(flag == 1, NA, time), type = "interval2"))
interval <- with(d, Surv(from, to, type = "interval2"))
between <- with(d, Surv(ifelse(limited <= 0, NA, limited), ifelse(limited >= 2, NA, limited),
                        type = "interval2"))
floored <- with(d, Surv(limited, limited > 0, type = "left"))
for (dist in c("lognormal", "weibull")) {
  f <- survreg(flagged ~ z + w, d, dist = dist, control = tight)
  note(paste0("flagged_", dist), coef(f), f$scale, logLik(f))
  f <- survreg(interval ~ z + w, d, dist = dist, control = tight)
  note(paste0("interval_", dist), coef(f), f$scale, logLik(f))
}
f <- survreg(between ~ z + w, d, dist = "gaussian", control = tight)
note("tobit_between", coef(f), f$scale, logLik(f))
f <- survreg(floored ~ z + w, d, dist = "gaussian", control = tight)
note("tobit_floor", coef(f), f$scale, logLik(f))
f <- AER::tobit(limited ~ z + w, data = d, left = 0, right = 2, control = tight)
note("tobit_aer", coef(f), f$scale, logLik(f))
f <- glm(count ~ z + w + offset(log(years)), poisson, d, epsilon = 1e-14)
note("poisson", coef(f), list(), logLik(f))
f <- glm.nb(many ~ z + w + offset(log(years)), d, control = glm.control(epsilon = 1e-14, maxit = 100))
note("negative_binomial", coef(f), f$theta, logLik(f))
f <- vglm(share ~ z + w, betaff(zero = 2), d, epsilon = 1e-12)
b <- coef(f)  # log precision is the second, lmu the first
note("beta", b[c(1, 3, 4)], exp(b[2]), logLik(f))
f <- vglm(edge ~ 1, zoabetaR, d, epsilon = 1e-12)
b <- coef(f, matrix = TRUE)[1, ]
print(b)
note("zero_one_beta", list(), c(exp(b[1:2]), plogis(b[3:4])), logLik(f))
write(toJSON(out, digits = 10, auto_unbox = TRUE, pretty = TRUE), "responses.json")
