"""The literature behind the methods that a report uses, in APA's style and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A publication.

    Attributes
    ----------
    key : str
        Of its entry in BibTeX.
    authors : tuple of str
        "Family, Given initials".
    year : int
    title : str
    journal : str
    volume, number, pages : str
        Of an article; "" where there is none.
    doi : str
    """

    key: str
    authors: tuple[str, ...]
    year: int
    title: str
    journal: str
    volume: str
    number: str
    pages: str
    doi: str

    @property
    def cited(self) -> str:
        """As a text cites it in parentheses: "Zhao et al., 2010"."""
        families = [author.split(",")[0] for author in self.authors]
        if len(families) > 2:
            return f"{families[0]} et al., {self.year}"
        return f"{' & '.join(families)}, {self.year}"

    def apa(self) -> str:
        """As a list of references has it."""
        names = list(self.authors)
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, & {names[-1]}"
        issue = f"({self.number})" if self.number else ""
        pages = f", {self.pages}" if self.pages else ""
        return (
            f"{listed} ({self.year}). {self.title}. {self.journal}, {self.volume}{issue}{pages}. "
            f"https://doi.org/{self.doi}"
        )

    def bibtex(self) -> str:
        """Its entry in BibTeX."""
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            "journal": self.journal,
            "year": str(self.year),
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages.replace("\N{EN DASH}", "--"),
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{_latex(x)}}}" for name, x in fields.items() if x]
        return f"@article{{{self.key},\n" + ",\n".join(lines) + "\n}"


ACCENTS = {"ö": r"{\"o}", "ü": r"{\"u}", "ä": r"{\"a}", "é": r"{\'e}", "&": r"\&"}


def _latex(text: str) -> str:
    return re.sub("|".join(ACCENTS), lambda found: ACCENTS[found[0]], text)


_ALL = (
    Reference(
        "abrilpla2023",
        (
            "Abril-Pla, O.", "Andreani, V.", "Carroll, C.", "Dong, L.", "Fonnesbeck, C. J.",
            "Kochurov, M.", "Kumar, R.", "Lao, J.", "Luhmann, C. C.", "Martin, O. A.",
            "Osthege, M.", "Vieira, R.", "Wiecki, T.", "Zinkov, R.",
        ),
        2023, "PyMC: A modern, and comprehensive probabilistic programming framework in Python",
        "PeerJ Computer Science", "9", "", "e1516", "10.7717/peerj-cs.1516",
    ),
    Reference(
        "baron1986", ("Baron, R. M.", "Kenny, D. A."), 1986,
        "The moderator-mediator variable distinction in social psychological research: "
        "Conceptual, strategic, and statistical considerations",
        "Journal of Personality and Social Psychology", "51", "6", "1173–1182",
        "10.1037/0022-3514.51.6.1173",
    ),
    Reference(
        "depaoli2017", ("Depaoli, S.", "van de Schoot, R."), 2017,
        "Improving transparency and replication in Bayesian statistics: The WAMBS-checklist",
        "Psychological Methods", "22", "2", "240–261", "10.1037/met0000065",
    ),
    Reference(
        "edwards1993", ("Edwards, J. R.", "Parry, M. E."), 1993,
        "On the use of polynomial regression equations as an alternative to difference scores in "
        "organizational research",
        "Academy of Management Journal", "36", "6", "1577–1613", "10.5465/256822",
    ),
    Reference(
        "fornell1981", ("Fornell, C.", "Larcker, D. F."), 1981,
        "Evaluating structural equation models with unobservable variables and measurement error",
        "Journal of Marketing Research", "18", "1", "39–50", "10.1177/002224378101800104",
    ),
    Reference(
        "garnier2020", ("Garnier-Villarreal, M.", "Jorgensen, T. D."), 2020,
        "Adapting fit indices for Bayesian structural equation modeling: Comparison to maximum "
        "likelihood",
        "Psychological Methods", "25", "1", "46–70", "10.1037/met0000224",
    ),
    Reference(
        "gelman2006", ("Gelman, A.", "Pardoe, I."), 2006,
        "Bayesian measures of explained variance and pooling in multilevel (hierarchical) models",
        "Technometrics", "48", "2", "241–251", "10.1198/004017005000000517",
    ),
    Reference(
        "haans2016", ("Haans, R. F. J.", "Pieters, C.", "He, Z.-L."), 2016,
        "Thinking about U: Theorizing and testing U- and inverted U-shaped relationships in "
        "strategy research",
        "Strategic Management Journal", "37", "7", "1177–1195", "10.1002/smj.2399",
    ),
    Reference(
        "hayes2010", ("Hayes, A. F.", "Preacher, K. J."), 2010,
        "Quantifying and testing indirect effects in simple mediation models when the constituent "
        "paths are nonlinear",
        "Multivariate Behavioral Research", "45", "4", "627–660", "10.1080/00273171.2010.498290",
    ),
    Reference(
        "henseler2015", ("Henseler, J.", "Ringle, C. M.", "Sarstedt, M."), 2015,
        "A new criterion for assessing discriminant validity in variance-based structural "
        "equation modeling",
        "Journal of the Academy of Marketing Science", "43", "1", "115–135",
        "10.1007/s11747-014-0403-8",
    ),
    Reference(
        "humberg2019", ("Humberg, S.", "Nestler, S.", "Back, M. D."), 2019,
        "Response surface analysis in personality and social psychology: Checklist and "
        "clarifications for the case of congruence hypotheses",
        "Social Psychological and Personality Science", "10", "3", "409–419",
        "10.1177/1948550618757600",
    ),
    Reference(
        "kallioinen2024",
        ("Kallioinen, N.", "Paananen, T.", "Bürkner, P.-C.", "Vehtari, A."), 2024,
        "Detecting and diagnosing prior and likelihood sensitivity with power-scaling",
        "Statistics and Computing", "34", "", "57", "10.1007/s11222-023-10366-5",
    ),
    Reference(
        "klein2000", ("Klein, A.", "Moosbrugger, H."), 2000,
        "Maximum likelihood estimation of latent interaction effects with the LMS method",
        "Psychometrika", "65", "4", "457–474", "10.1007/BF02296338",
    ),
    Reference(
        "kruschke2021", ("Kruschke, J. K.",), 2021, "Bayesian analysis reporting guidelines",
        "Nature Human Behaviour", "5", "10", "1282–1291", "10.1038/s41562-021-01177-7",
    ),
    Reference(
        "lange1989", ("Lange, K. L.", "Little, R. J. A.", "Taylor, J. M. G."), 1989,
        "Robust statistical modeling using the t distribution",
        "Journal of the American Statistical Association", "84", "408", "881–896",
        "10.1080/01621459.1989.10478852",
    ),
    Reference(
        "lind2010", ("Lind, J. T.", "Mehlum, H."), 2010,
        "With or without U? The appropriate test for a U-shaped relationship",
        "Oxford Bulletin of Economics and Statistics", "72", "1", "109–118",
        "10.1111/j.1468-0084.2009.00569.x",
    ),
    Reference(
        "merkle2019", ("Merkle, E. C.", "Furr, D.", "Rabe-Hesketh, S."), 2019,
        "Bayesian comparison of latent variable models: Conditional versus marginal likelihoods",
        "Psychometrika", "84", "3", "802–829", "10.1007/s11336-019-09679-0",
    ),
    Reference(
        "ospina2010", ("Ospina, R.", "Ferrari, S. L. P."), 2010, "Inflated beta distributions",
        "Statistical Papers", "51", "1", "111–126", "10.1007/s00362-008-0125-4",
    ),
    Reference(
        "ronkko2022", ("Rönkkö, M.", "Cho, E."), 2022,
        "An updated guideline for assessing discriminant validity",
        "Organizational Research Methods", "25", "1", "6–47", "10.1177/1094428120968614",
    ),
    Reference(
        "rosseel2012", ("Rosseel, Y.",), 2012,
        "lavaan: An R package for structural equation modeling",
        "Journal of Statistical Software", "48", "2", "1–36", "10.18637/jss.v048.i02",
    ),
    Reference(
        "ryu2009", ("Ryu, E.", "West, S. G."), 2009,
        "Level-specific evaluation of model fit in multilevel structural equation modeling",
        "Structural Equation Modeling", "16", "4", "583–601", "10.1080/10705510903203466",
    ),
    Reference(
        "simonsohn2018", ("Simonsohn, U.",), 2018,
        "Two lines: A valid alternative to the invalid testing of U-shaped relationships with "
        "quadratic regressions",
        "Advances in Methods and Practices in Psychological Science", "1", "4", "538–555",
        "10.1177/2515245918805755",
    ),
    Reference(
        "vehtari2017", ("Vehtari, A.", "Gelman, A.", "Gabry, J."), 2017,
        "Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC",
        "Statistics and Computing", "27", "5", "1413–1432", "10.1007/s11222-016-9696-4",
    ),
    Reference(
        "vehtari2021",
        ("Vehtari, A.", "Gelman, A.", "Simpson, D.", "Carpenter, B.", "Bürkner, P.-C."), 2021,
        "Rank-normalization, folding, and localization: An improved R-hat for assessing "
        "convergence of MCMC",
        "Bayesian Analysis", "16", "2", "667–718", "10.1214/20-BA1221",
    ),
    Reference(
        "zhao2010", ("Zhao, X.", "Lynch, J. G.", "Chen, Q."), 2010,
        "Reconsidering Baron and Kenny: Myths and truths about mediation analysis",
        "Journal of Consumer Research", "37", "2", "197–206", "10.1086/651257",
    ),
)  # fmt: skip
REFERENCES = {reference.key: reference for reference in _ALL}


def cite(*keys: str) -> str:
    """A citation in parentheses: "(Klein & Moosbrugger, 2000; Zhao et al., 2010)"."""
    found = sorted((REFERENCES[key] for key in keys), key=lambda r: r.authors[0])
    return f"({'; '.join(r.cited for r in found)})"


def bibliography(keys: Iterable[str]) -> tuple[Reference, ...]:
    """References in the order of a list of references, each once."""
    return tuple(reference for reference in _ALL if reference.key in set(keys))


def bibtex(keys: Iterable[str]) -> str:
    """A file for BibTeX."""
    return "\n\n".join(r.bibtex() for r in bibliography(keys)) + "\n"
