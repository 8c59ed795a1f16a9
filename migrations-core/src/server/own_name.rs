//! Where a definition names the schema itself, by PostgreSQL's lexical rules.
//!
//! A schema's name is an identifier at the beginning of a qualified name: `acme.notes`, and also within the constant of
//! a type that names an object, `'acme.notes'::regclass`. In the setting of `search_path`, it is a literal. All other
//! literals, and with them the bodies of functions that are texts, are left as they are.

use squawk_lexer::{LiteralKind, Token, TokenKind, tokenize};

/// Stands for the schema's own name. No text of PostgreSQL can contain it.
const OWN: &str = "\0";

/// The types whose constants are qualified names.
const NAMING: [&str; 9] = [
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regoper",
    "regoperator",
    "regconfig",
    "regdictionary",
    "regcollation",
];

/// A definition that knows where it names its own schema.
#[derive(Clone, Debug)]
pub(super) struct Definition(Vec<Piece>, Vec<String>);

#[derive(Clone, Debug)]
struct Piece {
    text: String,
    is_own: bool,
}

struct Word<'a> {
    kind: TokenKind,
    text: &'a str,
}

impl Definition {
    /// Finds the schema's name in a definition that the server has written.
    pub(super) fn new(text: &str, schema: &str) -> Self {
        let words = words(text);
        let mut pieces = Vec::with_capacity(words.len());
        for (at, word) in words.iter().enumerate() {
            match word.literal().filter(|_| names_something(&words[at + 1..])) {
                Some(name) => pieces.extend(inside(&name, schema)),
                None => pieces.push(word.piece(is_qualifier(&words, at, schema) || is_in_path(&words, at, schema))),
            }
        }
        Self(pieces, Vec::new())
    }

    /// The definition of the object that is known by these names, which can stand before those of columns.
    pub(super) fn of_objects(self, names: &[String]) -> Self {
        Self(self.0, names.iter().map(|name| name.replace('"', "\"\"")).collect())
    }

    /// The same text for all schemas.
    pub(super) fn key(&self) -> String {
        self.0.iter().map(|piece| if piece.is_own { OWN } else { &piece.text }).collect()
    }

    /// Whether both say the same, each of its own schema.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_same = |(one, theirs): (&Piece, &Piece)| match (one.is_own, theirs.is_own) {
            (true, true) => true,
            (false, false) => one.text == theirs.text,
            // What looks like a schema's name can also be a table's, which is the same for both.
            (true, false) => one.text == theirs.text && other.has_table(&one.text),
            (false, true) => one.text == theirs.text && self.has_table(&one.text),
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }

    /// Whether a name occurs that is no qualifier, as that of a table or its alias.
    fn has_table(&self, name: &str) -> bool {
        let mut pairs = self.0.iter().zip(self.0.iter().skip(1).map(|next| next.text.as_str()).chain([""]));
        let is_known = |known: &String| known == name || format!("\"{known}\"") == name;
        self.1.iter().any(is_known) || pairs.any(|(piece, next)| piece.text == name && next != ".")
    }
}

/// A key for people: the schema is left out before names.
pub(super) fn short(key: &str) -> String {
    marked(&key.replace("\0.", ""))
}

/// A key for people: `[schema]` stands for the schema's name.
pub(super) fn marked(key: &str) -> String {
    key.replace(OWN, "[schema]")
}

impl Word<'_> {
    fn piece(&self, is_own: bool) -> Piece {
        Piece { text: self.text.to_owned(), is_own }
    }

    /// The name, if it is an identifier. The server quotes every name that folding would change.
    fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Ident => Some(self.text.to_owned()),
            TokenKind::QuotedIdent { terminated: true, uescape: false } => {
                Some(self.text.get(1..self.text.len() - 1)?.replace("\"\"", "\""))
            }
            _ => None,
        }
    }

    /// The value, if it is a string.
    fn literal(&self) -> Option<String> {
        let TokenKind::Literal { kind } = self.kind else { return None };
        match kind {
            LiteralKind::Str { terminated: true } => Some(self.text.get(1..self.text.len() - 1)?.replace("''", "'")),
            LiteralKind::EscStr { terminated: true } => {
                Some(self.text.get(2..self.text.len() - 1)?.replace("''", "'").replace(r"\\", r"\"))
            }
            _ => None,
        }
    }

    fn is(&self, name: &str) -> bool {
        self.kind == TokenKind::Ident && self.text.eq_ignore_ascii_case(name)
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut offset = 0;
    let word = |Token { kind, len }| {
        let start = offset;
        offset += len as usize;
        Word { kind, text: text.get(start..offset).unwrap_or_default() }
    };
    tokenize(text).map(word).collect()
}

/// Whether the word is the schema's name at the beginning of a qualified name.
fn is_qualifier(words: &[Word<'_>], at: usize, schema: &str) -> bool {
    let is_dot = |word: Option<&Word<'_>>| word.is_some_and(|word| word.kind == TokenKind::Dot);
    let before = at.checked_sub(1).and_then(|before| words.get(before));
    is_dot(words.get(at + 1)) && !is_dot(before) && words[at].name().as_deref() == Some(schema)
}

/// Whether the word is the schema's name in `SET search_path TO 'acme', 'public'`.
fn is_in_path(words: &[Word<'_>], at: usize, schema: &str) -> bool {
    if words[at].literal().as_deref() != Some(schema) {
        return false;
    }
    let mut before = words[..at].iter().rev().filter(|word| word.kind != TokenKind::Whitespace);
    let setting = before.find(|word| word.kind != TokenKind::Comma && word.literal().is_none());
    setting.is_some_and(|word| word.is("to"))
        && before.next().is_some_and(|word| word.is("search_path"))
        && before.next().is_some_and(|word| word.is("set"))
}

/// Whether a literal before these words is cast to a type whose constants are names.
fn names_something(after: &[Word<'_>]) -> bool {
    let [first, second, name, rest @ ..] = after else { return false };
    let is_longer = rest.first().is_some_and(|word| matches!(word.kind, TokenKind::Dot | TokenKind::OpenBracket));
    first.kind == TokenKind::Colon
        && second.kind == TokenKind::Colon
        && NAMING.iter().any(|naming| name.is(naming))
        && !is_longer
}

/// The constant of a type whose constants are names.
fn inside(name: &str, schema: &str) -> Vec<Piece> {
    let words = words(name);
    let quote = || Piece { text: "'".to_owned(), is_own: false };
    let pieces = words.iter().enumerate().map(|(at, word)| word.piece(is_qualifier(&words, at, schema)));
    [quote()].into_iter().chain(pieces).chain([quote()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        marked(&Definition::new(text, "acme").key())
    }

    #[test]
    fn only_the_beginning_of_a_qualified_name_is_the_schema() {
        assert_eq!(
            key("xacme.t acme.t a.acme.t acme acme.acme.id"),
            "xacme.t [schema].t a.acme.t acme [schema].acme.id"
        );
        assert_eq!(key("\"acme\".t \"acme.t\" \"x\"\"acme\".t"), "[schema].t \"acme.t\" \"x\"\"acme\".t");
    }

    #[test]
    fn of_literals_only_names_of_objects_and_the_search_path_count() {
        let same =
            "'acme.t' 'acme.t'::text E'\\\\acme.t' 'acme' $$ acme.t $$ 'acme.t'::b.regclass 'acme.t'::regclass.b";
        assert_eq!(key(same), same);
        assert_eq!(key("nextval('acme.\"a''b\"'::regclass)"), "nextval('[schema].\"a'b\"'::regclass)");
        let path = "SET search_path TO 'public', 'acme' SET x TO 'acme'";
        assert_eq!(key(path), "SET search_path TO 'public', [schema] SET x TO 'acme'");
    }

    #[test]
    fn a_table_with_the_name_of_the_schema_is_no_difference() {
        let here = Definition::new("acme.id FROM acme.acme, b.x", "acme");
        let there = Definition::new("acme.id FROM c.acme, b.x", "c");
        assert!(here.is_same(&there) && there.is_same(&here));
        let there = Definition::new("acme.id FROM c.acme, c.x", "c");
        assert!(!here.is_same(&there) && !there.is_same(&here), "another schema's table");
    }
}
