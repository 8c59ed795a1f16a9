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

/// Displays as a string literal that means the same whatever `standard_conforming_strings` is.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'a>(pub(crate) &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.0.contains('\\') { "E" } else { "" };
        let text = self.0.replace('\\', r"\\").replace('\'', "''");
        write!(f, "{prefix}'{text}'")
    }
}

/// Displays for people: control characters are escaped, so that a name cannot write to a terminal or begin a line in a
/// log.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(char::is_control) {
            return f.pad(self.0);
        }
        let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        f.pad(&self.0.chars().map(escaped).collect::<String>())
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
    use squawk_lexer::{LiteralKind, TokenKind};

    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(Ident(r#"a"b"#).to_string(), r#""a""b""#);
        assert_eq!(Literal("it's").to_string(), "'it''s'");
        assert_eq!(Literal(r"\'; DROP").to_string(), r"E'\\''; DROP'");
        assert_eq!(OrNull(None::<i64>).to_string(), "NULL");
    }

    /// The text of a token that PostgreSQL's rules read as exactly one token.
    fn read_back(quoted: &str) -> Option<String> {
        let [token] = squawk_lexer::tokenize(quoted).collect::<Vec<_>>()[..] else { return None };
        let escapes = match token.kind {
            TokenKind::QuotedIdent { terminated: true, uescape: false } => {
                return Some(quoted[1..quoted.len() - 1].replace("\"\"", "\""));
            }
            TokenKind::Literal { kind: LiteralKind::Str { terminated: true } } => false,
            TokenKind::Literal { kind: LiteralKind::EscStr { terminated: true } } => true,
            _ => return None,
        };
        let text = quoted[1 + usize::from(escapes)..quoted.len() - 1].replace("''", "'");
        // With `standard_conforming_strings` off, a backslash is an escape in a plain literal too.
        let is_plain = escapes || !text.contains('\\');
        is_plain.then(|| if escapes { text.replace(r"\\", r"\") } else { text })
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_one_token_and_reads_as_it_is(text in r#"(['"\\;$\n\r\-/*EUé%]|.){0,12}"#) {
            proptest::prop_assert_eq!(read_back(&Ident(&text).to_string()), Some(text.clone()));
            proptest::prop_assert_eq!(read_back(&Literal(&text).to_string()), Some(text));
        }
    }
}
