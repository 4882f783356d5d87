# Fit the models that compare.py has laid out with lavaan, and with OpenMx where it asks for that.
#
# Rscript peers.R FOLDER: every sub-folder holds model.txt, data.csv and options.txt (lines key=value);
# lavaan's numbers go to estimates.csv and fit.csv, OpenMx's to openmx.csv.

suppressPackageStartupMessages(library(lavaan))

read_options <- function(path) {
  lines <- readLines(path)
  values <- sub("^[^=]*=", "", lines)
  names(values) <- sub("=.*$", "", lines)
  as.list(values)
}

split_names <- function(text) strsplit(text, ",", fixed = TRUE)[[1]]
is_true <- function(value) identical(value, "TRUE")

fit_lavaan <- function(folder, given) {
  model <- paste(readLines(file.path(folder, "model.txt")), collapse = "\n")
  arguments <- list(model = model, meanstructure = TRUE)
  data <- read.csv(file.path(folder, "data.csv"), check.names = FALSE)
  if (!is.null(given$n)) {
    matrix <- as.matrix(data[, -1])
    rownames(matrix) <- data[[1]]
    arguments$sample.cov <- matrix
    arguments$sample.nobs <- as.integer(given$n)
    arguments$meanstructure <- FALSE
  } else {
    arguments$data <- data
  }
  for (key in c("missing", "estimator", "information", "group")) {
    if (!is.null(given[[key]])) arguments[[key]] <- given[[key]]
  }
  for (key in c("group.equal", "group.partial", "group.label")) {
    if (!is.null(given[[key]])) arguments[[key]] <- split_names(given[[key]])
  }
  for (key in c("std.lv", "orthogonal", "effect.coding")) {
    if (is_true(given[[key]])) arguments[[key]] <- TRUE
  }
  if (identical(given$fixed.x, "FALSE")) arguments$fixed.x <- FALSE
  if (identical(given$meanstructure, "FALSE")) arguments$meanstructure <- FALSE
  suppressWarnings(do.call(if (is_true(given$growth)) "growth" else "sem", arguments))
}

write_lavaan <- function(fit, folder) {
  rows <- parameterEstimates(fit, standardized = TRUE, remove.eq = TRUE, remove.ineq = TRUE)
  if (is.null(rows$group)) rows$group <- 1
  labels <- lavInspect(fit, "group.label")
  if (length(labels)) {
    rows$group <- ifelse(rows$group > 0, labels[pmax(rows$group, 1)], "")
  } else {
    rows$group <- ""
  }
  write.csv(rows[, c("lhs", "op", "rhs", "group", "est", "se", "std.lv", "std.all")],
            file.path(folder, "estimates.csv"), row.names = FALSE)
  wanted <- c("npar", "logl", "unrestricted.logl", "aic", "bic", "bic2", "chisq", "df", "pvalue",
              "baseline.chisq", "baseline.df", "cfi", "tli", "ifi", "nfi", "rni", "mfi", "gfi",
              "rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "srmr", "rmr")
  values <- fitMeasures(fit, wanted)
  write.csv(data.frame(measure = names(values), value = as.numeric(values)),
            file.path(folder, "fit.csv"), row.names = FALSE)
}

# The same model as a RAM path model in OpenMx; one group, no covariates.
write_openmx <- function(fit, folder) {
  suppressPackageStartupMessages(library(OpenMx))
  table <- parTable(fit)
  rows <- table[table$op %in% c("=~", "~", "~~", "~1"), ]
  merged <- seq_len(max(table$free))
  same <- table[table$op == "==", ]
  for (k in seq_len(nrow(same))) {
    pair <- table$free[match(c(same$lhs[k], same$rhs[k]), table$plabel)]
    if (all(!is.na(pair))) merged[pair[2]] <- merged[pair[1]]
  }
  observed <- lavNames(fit, "ov")
  paths <- lapply(seq_len(nrow(rows)), function(k) {
    row <- rows[k, ]
    free <- row$free > 0
    label <- if (free) paste0("p", merged[row$free]) else NA
    start <- if (free) table$start[match(merged[row$free], table$free)] else row$ustart
    ends <- switch(row$op, "=~" = c(row$lhs, row$rhs), "~" = c(row$rhs, row$lhs),
                   "~~" = c(row$lhs, row$rhs), "~1" = c("one", row$lhs))
    mxPath(from = ends[1], to = ends[2], arrows = if (row$op == "~~") 2 else 1,
           free = free, values = start, labels = label)
  })
  data <- as.data.frame(lavInspect(fit, "data"))
  model <- do.call(mxModel, c(list("peer", type = "RAM", manifestVars = observed,
                                   latentVars = lavNames(fit, "lv"),
                                   mxData(data, type = "raw")), paths))
  run <- suppressMessages(suppressWarnings(mxTryHard(model, silent = TRUE, extraTries = 3)))
  estimate <- coef(run)
  own <- rows[rows$free > 0, ]
  out <- data.frame(lhs = own$lhs, op = own$op, rhs = own$rhs,
                    est = unname(estimate[paste0("p", merged[own$free])]))
  out <- rbind(out, data.frame(lhs = "", op = "logl", rhs = "", est = -run$output$fit / 2))
  write.csv(out, file.path(folder, "openmx.csv"), row.names = FALSE)
}

for (folder in list.dirs(commandArgs(trailingOnly = TRUE)[1], recursive = FALSE)) {
  given <- read_options(file.path(folder, "options.txt"))
  fit <- fit_lavaan(folder, given)
  if (!lavInspect(fit, "converged")) stop("lavaan did not converge: ", basename(folder))
  write_lavaan(fit, folder)
  if (is_true(given$openmx) && requireNamespace("OpenMx", quietly = TRUE)) {
    write_openmx(fit, folder)
  }
}
