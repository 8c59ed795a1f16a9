//! The places where the schema is inserted into a migration before it is sent, so that no name that it changes falls
//! through to another schema.
//!
//! With the path `tenant, shared, public`, an unqualified name that the tenant does not have means the shared schema's
//! object. That is intended where the name is read, and a disaster where it is dropped. So the name of whatever a
//! statement defines, alters, drops, comments on, grants on, locks, truncates, maintains or writes is sent with the
//! schema before it. Names that are only read, bodies of functions and actions of rules are left to the path. The
//! migration's own text, and with it the checksum, does not change.
//!
//! This module reads words, not a syntax tree: in PostgreSQL's grammar a target's name has a fixed position in every
//! statement, and splitting into words cannot fail. A statement of an unknown form is sent as it is written, and
//! counted.

mod data;
mod definition;
mod object;
mod reader;
mod temporary;

use std::ops::Range;

use super::statement::Statement;
use crate::names::Ident;
pub(super) use reader::Reader;
pub(super) use temporary::Temporary;

/// The places in one migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    /// In the order of their offsets.
    places: Vec<Place>,
    /// How many statements are of an unknown form, or have a name that may or may not need the schema.
    uncertain: usize,
}

/// A place in a migration's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    offset: usize,
    prefix: Prefix,
}

/// What is inserted at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Prefix {
    Schema,
    /// Inside a string literal, as in `setval('notes_id_seq', 7)`.
    SchemaInLiteral,
    /// The name is a temporary table's.
    Temporary,
}

/// A part of a text with insertions, which maps its offsets back to the text without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Qualified {
    pub(crate) text: String,
    insertions: Insertions,
    /// The offset of its start in the whole text without insertions.
    starts_at: usize,
}

/// What was inserted, as ranges of the longer text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Insertions(Vec<Range<usize>>);

impl Targets {
    /// The places in a migration's statements. `is_alone` tells which of them run outside a transaction.
    pub(super) fn of(text: &str, statements: &[Statement], is_alone: impl Fn(&Statement) -> bool) -> Self {
        let mut temporary = Temporary::default();
        let mut targets = Self::default();
        for statement in statements {
            let mut reader = Reader::new(text, &statement.words, &mut temporary);
            reader.is_alone = is_alone(statement);
            let is_known = reader.statement().is_some();
            let Reader { places, is_certain, .. } = reader;
            targets.uncertain += usize::from(!is_known || !is_certain);
            targets.places.extend(places);
            statement.words.iter().for_each(|word| temporary.look_into(text, word));
        }
        targets.places.sort_unstable();
        targets.places.dedup_by_key(|place| place.offset);
        targets
    }

    /// How many statements are of an unknown form, or have a name that may or may not need the schema.
    pub(super) fn uncertain(&self) -> usize {
        self.uncertain
    }

    /// The places before an offset.
    pub(super) fn before(&self, offset: usize) -> Self {
        Self { places: self.places.iter().filter(|place| place.offset < offset).copied().collect(), ..*self }
    }

    /// A part of the text with the schema at each of its places, and with blanks in place of the ranges in `blanks`.
    pub(super) fn qualify(&self, text: &str, part: Range<usize>, blanks: &[Range<usize>], schema: &str) -> Qualified {
        let plain = format!("{}.", Ident(schema));
        let in_literal = plain.replace('\'', "''");
        let mut qualified = Qualified { starts_at: part.start, ..Qualified::default() };
        let place_at = |offset: usize| self.places.partition_point(|place| place.offset < offset);
        let places = &self.places[place_at(part.start)..place_at(part.end)];
        qualified.text.reserve(part.len() + places.len() * plain.len());
        let is_blank = |offset: usize| blanks.iter().any(|blank| blank.contains(&offset));
        let mut copied = part.start;
        for place in places.iter().filter(|place| !is_blank(place.offset)) {
            let prefix = match place.prefix {
                Prefix::Schema => &plain,
                Prefix::SchemaInLiteral => &in_literal,
                Prefix::Temporary => "pg_temp.",
            };
            push_blanked(&mut qualified.text, text, copied..place.offset, blanks);
            copied = place.offset;
            let start = qualified.text.len();
            qualified.text.push_str(prefix);
            qualified.insertions.0.push(start..qualified.text.len());
        }
        push_blanked(&mut qualified.text, text, copied..part.end, blanks);
        qualified
    }
}

/// Appends a part of a text, with blanks of the same length for what is left out, so that offsets stay valid.
fn push_blanked(to: &mut String, text: &str, part: Range<usize>, blanks: &[Range<usize>]) {
    let mut copied = part.start;
    for blank in blanks {
        let (start, end) = (blank.start.clamp(copied, part.end), blank.end.clamp(copied, part.end));
        if start < end {
            to.push_str(&text[copied..start]);
            to.extend(text[start..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            copied = end;
        }
    }
    to.push_str(&text[copied..part.end]);
}

impl From<String> for Qualified {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl Qualified {
    /// The offset in the whole text without insertions. For an offset inside an insertion it is the insertion's place.
    pub(crate) fn original(&self, offset: usize) -> usize {
        self.starts_at + self.insertions.original(offset)
    }

    /// Where a range of the whole text without insertions stands in what is sent, if this part contains the range.
    pub(crate) fn sent(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let start = range.start.checked_sub(self.starts_at)?;
        let end = range.end.checked_sub(self.starts_at)?;
        let sent = self.insertions.sent(&(start..end));
        self.text.get(sent.clone()).map(|_| sent)
    }
}

impl Insertions {
    fn original(&self, offset: usize) -> usize {
        let before = self.0.iter().take_while(|inserted| inserted.start < offset);
        offset - before.map(|inserted| inserted.end.min(offset) - inserted.start).sum::<usize>()
    }

    /// The range in the longer text for a range in the text without insertions, which begins and ends at no insertion.
    fn sent(&self, range: &Range<usize>) -> Range<usize> {
        let sent = |offset: usize| {
            self.0
                .iter()
                .fold(offset, |sent, inserted| if inserted.start < sent { sent + inserted.len() } else { sent })
        };
        sent(range.start)..sent(range.end)
    }
}

#[cfg(test)]
mod tests;
