//! Splits a migration into its statements, by PostgreSQL's lexical rules: a `;` in a string, a dollar-quoted body, a
//! comment, parentheses or a `BEGIN ATOMIC` body does not end a statement.
//!
//! This module knows words and quotes, but not the grammar. The server reports what is wrong with a statement.

use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind, tokenize};

/// One statement: its range in the text, without the `;`, and its words.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) range: Range<usize>,
    pub(crate) words: Vec<Word>,
}

/// A token that is neither white space nor a comment.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) kind: WordKind,
    pub(crate) range: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// A key word or an unquoted identifier.
    Bare,
    /// A quoted identifier.
    Quoted,
    /// A string or number.
    Literal,
    /// One character of punctuation.
    Symbol,
}

/// A quote or comment that is never closed, which would swallow everything that is sent after the migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unterminated {
    pub(crate) what: &'static str,
    pub(crate) offset: usize,
}

/// A line comment: its text after the dashes, and where it stands.
pub(crate) struct Comment<'a> {
    pub(crate) text: &'a str,
    pub(crate) offset: usize,
    /// Whether it stands above the first statement.
    pub(crate) on_top: bool,
}

impl Statement {
    /// Whether the statement's first words are these key words.
    pub(crate) fn starts_with(&self, text: &str, words: &[&str]) -> bool {
        self.words.len() >= words.len() && words.iter().zip(&self.words).all(|(want, word)| word.is(text, want))
    }

    /// The statement's first words in upper case, by which a message names it.
    pub(crate) fn opening(&self, text: &str, words: usize) -> String {
        let words: Vec<_> = self.words.iter().take(words).map(|word| &text[word.range.clone()]).collect();
        words.join(" ").to_ascii_uppercase()
    }

    /// Whether one of the statement's words is this key word.
    pub(crate) fn contains(&self, text: &str, word: &str) -> bool {
        self.words.iter().any(|w| w.is(text, word))
    }
}

impl Word {
    /// Whether this is the key word `want`, in any case.
    pub(crate) fn is(&self, text: &str, want: &str) -> bool {
        self.kind == WordKind::Bare && text[self.range.clone()].eq_ignore_ascii_case(want)
    }

    /// Whether this is the punctuation `want`.
    pub(crate) fn is_symbol(&self, text: &str, want: &str) -> bool {
        self.kind == WordKind::Symbol && &text[self.range.clone()] == want
    }

    /// Whether this can be a name.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self.kind, WordKind::Bare | WordKind::Quoted)
    }

    /// The name, folded to lower case if it is not quoted, as the server folds it.
    pub(crate) fn name(&self, text: &str) -> String {
        let text = &text[self.range.clone()];
        match self.kind {
            WordKind::Quoted => text.get(1..text.len() - 1).unwrap_or_default().replace("\"\"", "\""),
            _ => text.to_ascii_lowercase(),
        }
    }
}

/// The statements of a migration, in order, without empty ones.
pub(crate) fn split(text: &str) -> Result<Vec<Statement>, Unterminated> {
    let mut statements = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    let mut parentheses = 0usize;
    let mut body = Body::default();
    let mut offset = 0;
    for token in tokenize(text) {
        let range = offset..offset + token.len as usize;
        offset = range.end;
        check_terminated(token.kind, range.start)?;
        let kind = match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } | TokenKind::Eof => {
                continue;
            }
            TokenKind::Semi if parentheses == 0 && !body.is_open() => {
                finish(&mut statements, &mut words);
                body = Body::default();
                continue;
            }
            TokenKind::OpenParen => {
                parentheses += 1;
                WordKind::Symbol
            }
            TokenKind::CloseParen => {
                parentheses = parentheses.saturating_sub(1);
                WordKind::Symbol
            }
            TokenKind::Ident => WordKind::Bare,
            TokenKind::QuotedIdent { .. } => WordKind::Quoted,
            TokenKind::Literal { .. } => WordKind::Literal,
            _ => WordKind::Symbol,
        };
        let word = Word { kind, range };
        body.see(text, &words, &word);
        words.push(word);
    }
    if let Some(offset) = body.opened_at() {
        return Err(Unterminated { what: "BEGIN ATOMIC body", offset });
    }
    finish(&mut statements, &mut words);
    Ok(statements)
}

/// The line comments of a migration.
pub(crate) fn comments(text: &str) -> Vec<Comment<'_>> {
    let mut comments = Vec::new();
    let mut offset = 0;
    let mut on_top = true;
    for token in tokenize(text) {
        let range = offset..offset + token.len as usize;
        offset = range.end;
        match token.kind {
            TokenKind::LineComment => comments.push(Comment {
                text: text[range.clone()].trim_start_matches('-').trim(),
                offset: range.start,
                on_top,
            }),
            TokenKind::Whitespace | TokenKind::BlockComment { .. } | TokenKind::Eof => {}
            _ => on_top = false,
        }
    }
    comments
}

fn finish(statements: &mut Vec<Statement>, words: &mut Vec<Word>) {
    let words = std::mem::take(words);
    if let (Some(first), Some(last)) = (words.first(), words.last()) {
        statements.push(Statement { range: first.range.start..last.range.end, words });
    }
}

fn check_terminated(kind: TokenKind, offset: usize) -> Result<(), Unterminated> {
    let what = match kind {
        TokenKind::BlockComment { terminated: false } => "comment",
        TokenKind::QuotedIdent { terminated: false, .. } => "quoted identifier",
        TokenKind::Literal { kind: LiteralKind::DollarQuotedString { terminated: false } } => "dollar-quoted string",
        TokenKind::Literal {
            kind:
                LiteralKind::Str { terminated: false }
                | LiteralKind::NationalStr { terminated: false }
                | LiteralKind::ByteStr { terminated: false }
                | LiteralKind::BitStr { terminated: false }
                | LiteralKind::UnicodeEscStr { terminated: false }
                | LiteralKind::EscStr { terminated: false },
        } => "string",
        _ => return Ok(()),
    };
    Err(Unterminated { what, offset })
}

/// Tells whether the words so far are inside the `BEGIN ATOMIC … END` body of an SQL function (PostgreSQL 14), whose
/// statements also end in `;`. A `CASE … END` in the body has an `END` of its own.
#[derive(Default)]
struct Body {
    depth: usize,
    start: usize,
}

impl Body {
    fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn opened_at(&self) -> Option<usize> {
        self.is_open().then_some(self.start)
    }

    fn see(&mut self, text: &str, before: &[Word], word: &Word) {
        if self.depth == 0 {
            let begins = word.is(text, "atomic") && before.last().is_some_and(|last| last.is(text, "begin"));
            if begins && creates_routine(text, before) {
                self.depth = 1;
                self.start = word.range.start;
            }
        } else if word.is(text, "case") {
            self.depth += 1;
        } else if word.is(text, "end") {
            self.depth -= 1;
        }
    }
}

/// `CREATE [OR REPLACE] FUNCTION` or `PROCEDURE`.
fn creates_routine(text: &str, words: &[Word]) -> bool {
    let is = |index: usize, want: &str| words.get(index).is_some_and(|word| word.is(text, want));
    let kind = if is(1, "or") && is(2, "replace") { 3 } else { 1 };
    is(0, "create") && (is(kind, "function") || is(kind, "procedure"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).unwrap_or_default().into_iter().map(|s| &text[s.range]).collect()
    }

    #[test]
    fn a_semicolon_inside_something_does_not_end_a_statement() {
        for whole in [
            "SELECT ';', E'\\';', U&'\\003b', $$;$$, $a$ $$;$$ $a$",
            "SELECT \"a;b\" /* ; /* ; */ */ FROM t",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
            "CREATE FUNCTION f(x int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN x > 1 THEN 1 ELSE 2 END; SELECT 2; END",
        ] {
            assert_eq!(texts(&format!("{whole};\n SELECT 2 ;; -- ;\n")), [whole, "SELECT 2"]);
        }
    }

    #[test]
    fn nothing_but_comments_is_no_statement() {
        assert!(texts(" -- SELECT 1;\n/* SELECT 2; */ ;;").is_empty());
    }

    #[test]
    fn what_is_never_closed_is_named() {
        for (text, what, offset) in [
            ("SELECT 'a;", "string", 7),
            ("SELECT $x$ a;", "dollar-quoted string", 7),
            ("SELECT 1; /* a", "comment", 10),
            ("SELECT \"a", "quoted identifier", 7),
            ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS case; END; COMMIT", "BEGIN ATOMIC body", 38),
        ] {
            assert_eq!(split(text).err(), Some(Unterminated { what, offset }));
        }
    }

    #[test]
    fn names_fold_as_the_server_folds_them() {
        let text = r#"DROP INDEX Foo, "Bar""baz""#;
        let words = &split(text).unwrap_or_default()[0].words;
        assert_eq!((words[2].name(text), words[4].name(text)), ("foo".into(), "Bar\"baz".into()));
    }
}
