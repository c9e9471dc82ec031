//! SPDX licence expressions: parsed, and judged against the list of what Postrider may be built from.

/// What may be in the binary or be used to build and test it.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "0BSD",
    "Unlicense",
    "CDLA-Permissive-2.0",
    "CC0-1.0",
    // Of LLVM: as MIT and BSD. The fuzzer.
    "NCSA",
];

/// SPDX 2.3, annex D: `OR` binds less than `AND`, `AND` less than `WITH`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// A licence, with the exception that widens it.
    Licence { id: String, exception: Option<String> },
    /// All must be kept.
    And(Vec<Expression>),
    /// One may be chosen.
    Or(Vec<Expression>),
}

impl Expression {
    /// Parses an expression; `/` is the older spelling of `OR` that many manifests still have.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        let mut rest = tokens.as_slice();
        let expression = or(&mut rest)?;
        match rest {
            [] => Ok(expression),
            [extra, ..] => Err(format!("`{extra}` is unexpected in `{text}`")),
        }
    }

    /// Whether we can keep to it with licences of the list alone. An exception only ever permits more.
    pub(crate) fn is_allowed(&self) -> bool {
        match self {
            Self::Licence { id, .. } => ALLOWED.contains(&id.as_str()),
            Self::And(all) => all.iter().all(Self::is_allowed),
            Self::Or(any) => any.iter().any(Self::is_allowed),
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn or(rest: &mut &[String]) -> Result<Expression, String> {
    let operands = operands(rest, "OR", and)?;
    Ok(single_or(operands, Expression::Or))
}

fn and(rest: &mut &[String]) -> Result<Expression, String> {
    let operands = operands(rest, "AND", primary)?;
    Ok(single_or(operands, Expression::And))
}

type Parser = fn(&mut &[String]) -> Result<Expression, String>;

fn operands(rest: &mut &[String], operator: &str, operand: Parser) -> Result<Vec<Expression>, String> {
    let mut all = vec![operand(rest)?];
    while take_if(rest, operator) {
        all.push(operand(rest)?);
    }
    Ok(all)
}

fn single_or(mut operands: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    if operands.len() == 1 { operands.remove(0) } else { many(operands) }
}

fn primary(rest: &mut &[String]) -> Result<Expression, String> {
    if take_if(rest, "(") {
        let inner = or(rest)?;
        return if take_if(rest, ")") { Ok(inner) } else { Err("`)` is missing".to_owned()) };
    }
    let id = identifier(rest)?;
    let exception = if take_if(rest, "WITH") { Some(identifier(rest)?) } else { None };
    Ok(Expression::Licence { id, exception })
}

fn identifier(rest: &mut &[String]) -> Result<String, String> {
    let Some((first, others)) = rest.split_first() else { return Err("a licence is missing".to_owned()) };
    let word = matches!(first.as_str(), "AND" | "OR" | "WITH" | "(" | ")");
    if word {
        return Err(format!("a licence is missing before `{first}`"));
    }
    *rest = others;
    Ok(first.clone())
}

fn take_if(rest: &mut &[String], word: &str) -> bool {
    match rest.split_first() {
        Some((first, others)) if first == word => {
            *rest = others;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> bool {
        Expression::parse(text).unwrap().is_allowed()
    }

    #[test]
    fn a_single_licence_is_judged_by_the_list() {
        assert!(allowed("MIT"));
        assert!(allowed("CDLA-Permissive-2.0"));
        assert!(!allowed("MPL-2.0"));
        assert!(!allowed("GPL-3.0-only"));
        assert!(!allowed("AGPL-3.0-or-later"));
        assert!(!allowed("Apache-2.0+"), "an unknown spelling is not waved through");
    }

    #[test]
    fn one_allowed_choice_is_enough() {
        assert!(allowed("MIT OR Apache-2.0 OR LGPL-2.1-or-later"));
        assert!(allowed("GPL-2.0-only OR BSD-3-Clause"));
        assert!(!allowed("GPL-2.0-only OR MPL-2.0"));
    }

    #[test]
    fn every_part_of_a_conjunction_counts() {
        assert!(allowed("Apache-2.0 AND ISC"));
        assert!(!allowed("Apache-2.0 AND MPL-2.0"));
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!allowed("(MIT OR Apache-2.0) AND (GPL-3.0-only OR MPL-2.0)"));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(allowed("GPL-3.0-only AND MIT OR ISC"));
        assert!(!allowed("GPL-3.0-only AND (MIT OR ISC)"));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"));
        assert!(!allowed("GPL-2.0-only WITH Classpath-exception-2.0"));
        let expression = Expression::parse("Apache-2.0 WITH LLVM-exception").unwrap();
        let exception = Some("LLVM-exception".to_owned());
        assert_eq!(expression, Expression::Licence { id: "Apache-2.0".to_owned(), exception });
    }

    #[test]
    fn a_slash_is_an_or() {
        assert!(allowed("Unlicense/MIT"));
        assert!(allowed("GPL-3.0-only / Apache-2.0"));
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        for text in ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH", "AND", "MIT AND OR ISC"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
