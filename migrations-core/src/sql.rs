//! Quoting for the few places where a value cannot be bound: identifiers, and literals in a message of several
//! statements, which the simple query protocol sends without parameters.

use std::fmt;

/// Displays as a quoted identifier.
#[derive(Clone, Copy)]
pub(crate) struct Ident<'a>(pub(crate) &'a str);

impl fmt::Display for Ident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// Displays as a string literal that reads the same whatever `standard_conforming_strings` is.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'a>(pub(crate) &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.0.contains('\\') { "E" } else { "" };
        let text = self.0.replace('\\', r"\\").replace('\'', "''");
        write!(f, "{prefix}'{text}'")
    }
}

/// Displays as the value, or as `NULL`.
#[derive(Clone, Copy)]
pub(crate) struct OrNull<T>(pub(crate) Option<T>);

impl<T: fmt::Display> fmt::Display for OrNull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("NULL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(Ident(r#"a"b"#).to_string(), r#""a""b""#);
        assert_eq!(Literal("it's").to_string(), "'it''s'");
        assert_eq!(Literal(r"\'; DROP").to_string(), r"E'\\''; DROP'");
        assert_eq!(OrNull(None::<i64>).to_string(), "NULL");
    }
}
