# Answers given covariates by lavaan: `Rscript covariates.R` in this folder writes covariates.json.
# Sample statistics of weighted least squares (thresholds, slopes and correlations of latent
# responses given the covariates; Muthen 1984), estimates of DWLS, SRMR and CRMR; without covariates
# SRMR and CRMR of answers of several categories, of two groups, and beside a number; score tests of
# direct effects on the same answers as numbers.
suppressMessages({library(lavaan); library(jsonlite)})
d <- read.csv("covariates.csv")
items <- paste0("x", 1:5)
measured <- paste("f =~", paste(items, collapse = " + "))
out <- list(version = as.character(packageVersion("lavaan")))
size <- function(fit) as.list(fitMeasures(fit, c("srmr", "crmr", "crmr_nomean", "df", "baseline.df")))
values <- function(fit) {
  p <- parameterEstimates(fit, se = FALSE)
  p <- p[p$op %in% c("=~", "~", "|", "~~", "~1"), ]
  if (is.null(p$group)) p$group <- 1
  list(lhs = p$lhs, op = p$op, rhs = p$rhs, group = p$group, est = p$est)
}
given <- function(model, ordered) {
  fit <- sem(model, d, ordered = ordered, std.lv = TRUE, estimator = "DWLS", conditional.x = TRUE,
             parameterization = "theta")
  s <- lavInspect(fit, "sampstat")
  m <- lavInspect(fit, "implied")
  part <- function(one) list(
    names = rownames(one$res.cov), cov = unclass(one$res.cov), covariates = colnames(one$res.slopes),
    slopes = unclass(one$res.slopes), thresholds = as.numeric(one$res.th), th_names = names(one$res.th))
  list(sample = part(s), implied = part(m), size = size(fit), values = values(fit))
}
out$mimic <- given(paste(measured, "\n f ~ z + w"), items)
out$number <- given(paste(measured, "+ y \n f ~ z + w"), items)
plain <- function(model, ...) {
  fit <- sem(model, d, std.lv = TRUE, estimator = "DWLS", parameterization = "theta", ...)
  list(size = size(fit), values = values(fit))
}
out$plain <- plain(measured, ordered = items)
out$groups <- plain(measured, ordered = items, group = "g")
out$beside <- plain(paste(measured, "+ y"), ordered = items)
# the answers as numbers: score tests of direct effects
numbers <- sem(paste(measured, "\n f ~ z + w"), d, meanstructure = TRUE)
direct <- expand.grid(lhs = items, rhs = c("z", "w"), stringsAsFactors = FALSE)
added <- paste(paste(direct$lhs, "~", direct$rhs), collapse = "\n")
scores <- lavTestScore(numbers, add = added)
out$direct <- list(lhs = direct$lhs, rhs = direct$rhs, mi = scores$uni$X2)
write(toJSON(out, digits = 9, auto_unbox = TRUE, pretty = FALSE), "covariates.json")
