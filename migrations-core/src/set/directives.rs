//! Directives: comments above the first statement that say how a migration runs.

use super::problem::Problem;
use super::statement::{Comment, comments};
use crate::names::{SchemaName, is_plain};

/// The word that introduces a directive, in any case and with a colon after it.
const INTRODUCTION: &str = "migrate";

/// What the directives of a migration say, and what code adds to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Directives {
    pub(super) no_transaction: bool,
    /// The author's word that the statements are safe to repeat.
    pub(super) idempotent: bool,
    pub(super) allowed_schemas: Vec<String>,
    pub(super) allows_database: bool,
    /// The first comment that is almost a directive, or an unknown one.
    pub(super) problem: Option<(Problem, usize)>,
}

impl Directives {
    pub(super) fn read(sql: &str) -> Self {
        // sqlx has a directive of its own, which must be the first line of a file.
        let first_line = sql.lines().next().unwrap_or_default().trim_end();
        let mut directives = Self { no_transaction: first_line == "-- no-transaction", ..Self::default() };
        for comment in comments(sql) {
            if let Err(problem) = directives.add(&comment) {
                directives.problem.get_or_insert((problem, comment.offset));
            }
        }
        directives
    }

    fn add(&mut self, comment: &Comment<'_>) -> Result<(), Problem> {
        let Some(directive) = directive(comment.text) else {
            return misspelt(comment.text).map_or(Ok(()), |meant| Err(Problem::MisspeltDirective { meant }));
        };
        // Another comment may follow the directive on its line.
        let directive = directive.split(" --").next().unwrap_or_default().trim();
        let words: Vec<&str> = directive.split_whitespace().collect();
        let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
        // `up` and `down` are dbmate's, whose files hold both directions.
        let is_meant = words.first().is_none_or(|word| {
            let letters = letters(word);
            ["no", "allow", "idem"].iter().any(|beginning| letters.starts_with(beginning))
                || ["up", "down"].contains(&letters.as_str())
        });
        if !is_meant {
            return Ok(());
        }
        if !comment.on_top {
            return Err(Problem::LateDirective);
        }
        match words[..] {
            [word] if is(word, "no-transaction") => self.no_transaction = true,
            [word, how] if is(word, "no-transaction") && is(how, "idempotent") => {
                (self.no_transaction, self.idempotent) = (true, true);
            }
            [word, schema] if is(word, "allow-schema") && is_schema(schema) => {
                self.allowed_schemas.push(schema.to_owned());
            }
            [word] if is(word, "allow-database") => self.allows_database = true,
            [word, ..] if is(word, "allow-schema") => return Err(Problem::AllowSchema),
            _ => return Err(Problem::UnknownDirective { directive: directive.to_owned() }),
        }
        Ok(())
    }
}

/// Whether a directive can name the schema: as SQL names one without quotes. Others are for code.
fn is_schema(word: &str) -> bool {
    is_plain(word) && word.parse::<SchemaName>().is_ok()
}

/// The text after `migrate:`.
fn directive(comment: &str) -> Option<&str> {
    let (word, rest) = comment.split_at_checked(INTRODUCTION.len())?;
    let rest = rest.trim_start().strip_prefix(':')?;
    word.eq_ignore_ascii_case(INTRODUCTION).then(|| rest.trim())
}

/// The directive that a comment was probably meant to be: `migrate no-transaction` and `migration: no_transaction` are
/// almost one. Any other comment may begin with `migrate`.
fn misspelt(comment: &str) -> Option<&'static str> {
    let stem = &INTRODUCTION[..INTRODUCTION.len() - 1];
    let mut words = comment.split(|c: char| c.is_whitespace() || c == ':').filter(|word| !word.is_empty());
    let is_introduced = words.next()?.get(..stem.len())?.eq_ignore_ascii_case(stem);
    let words: Vec<String> = words.map(letters).collect();
    let is_meant = |known: &str| words.first().is_some_and(|word| word == known) || words.concat() == known;
    let known = [
        ("notransaction", "no-transaction"),
        ("allowschema", "allow-schema NAME"),
        ("allowdatabase", "allow-database"),
    ];
    known.into_iter().find(|(letters, _)| is_introduced && is_meant(letters)).map(|(_, meant)| meant)
}

fn letters(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}
