//! The contents of a schema, as the catalog describes them, and the comparison of two schemas.

use std::collections::{BTreeMap, BTreeSet};

use postgres::types::{ToSql, Type};
use postgres::{Client, Error as DriverError, GenericClient};

use super::own_name::{Definition, marked, short};
use crate::names::NamePattern;
use crate::report::{Changed, SchemaDifference};

/// With this path, definitions show every name with its schema, except PostgreSQL's own.
const PATH: &str = "SET LOCAL search_path = pg_catalog";

/// The table in which a schema keeps its history, which is no part of its contents.
const HISTORY: &str = "refinery_schema_history";

/// Everything that a schema holds, as PostgreSQL's catalog describes it: tables with columns, constraints, indexes,
/// triggers and policies, views, sequences, functions, types, and the rarer kinds. Rows are not contents, nor are the
/// history table and the members of extensions.
///
/// ```no_run
/// use migrations_core::{Database, SchemaContents};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Database::from_env()?.connect()?;
/// let acme = SchemaContents::read(&mut client, "acme")?;
/// let globex = SchemaContents::read(&mut client, "globex")?;
/// assert!(acme.compare(&globex, &[]).is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SchemaContents {
    schema: String,
    properties: Vec<Property>,
}

/// One property of one object.
#[derive(Clone, Debug)]
struct Property {
    object: String,
    /// The object that this one is a part of.
    of: Option<String>,
    kind: String,
    value: String,
    /// The names that the object is known by: its own, and that of its table.
    names: Vec<String>,
}

impl SchemaContents {
    /// Reads the contents of a schema. A schema that does not exist has none.
    ///
    /// # Errors
    ///
    /// When the server refuses the query or is gone.
    pub fn read(client: &mut Client, schema: &str) -> Result<Self, DriverError> {
        Self::read_within(&mut client.transaction()?, schema)
    }

    /// The same in a transaction that is open.
    pub(crate) fn read_within(client: &mut impl GenericClient, schema: &str) -> Result<Self, DriverError> {
        client.batch_execute(PATH)?;
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&schema, Type::TEXT), (&HISTORY, Type::TEXT)];
        let rows = client.query_typed(include_str!("contents.sql"), &parameters)?;
        let properties = rows.iter().map(|row| Property {
            object: row.get(0),
            of: row.get(1),
            kind: row.get(2),
            value: row.get(3),
            names: row.get(4),
        });
        Ok(Self { schema: schema.to_owned(), properties: properties.collect() })
    }

    /// Everything, one line for each property: definitions, the order of columns, owners and privileges, comments. The
    /// schema's own name is left out of the objects' names, and is `[schema]` in definitions.
    pub fn lines(&self) -> Vec<String> {
        let line = |property: &Property| {
            let (object, value) = (short(&self.key(&property.object)), property.value.as_str());
            match property.kind.as_str() {
                "definition" => Some(format!("{object}: {}", marked(&self.key(value)))),
                _ if value.is_empty() => None,
                "comment" => Some(format!("comment on {object}: {value}")),
                kind => Some(format!("{kind} of {object}: {value}")),
            }
        };
        self.properties.iter().filter_map(line).collect()
    }

    /// How this schema differs from another one in its definitions. The order of columns, comments, owners, privileges
    /// and planner parameters of columns do not count, nor does the name of either schema, except in the body of a
    /// function that is a text. Objects with a name that one of the patterns matches, and whatever belongs to a table of
    /// such a name, are left out.
    pub fn compare(&self, other: &Self, ignore: &[NamePattern]) -> SchemaDifference {
        let (here, there) = (self.definitions(ignore), other.definitions(ignore));
        let only = |one: &Objects, other: &Objects| {
            let alone: BTreeSet<&String> = one.keys().filter(|object| !other.contains_key(*object)).collect();
            // What belongs to a table that is missing is not named once more.
            let is_whole = |object: &&&String| !one[**object].of.as_ref().is_some_and(|of| alone.contains(of));
            alone.iter().filter(is_whole).map(|object| short(object)).collect::<Vec<_>>()
        };
        let changed = there.iter().filter_map(|(object, made)| here.get(object)?.change(object, made));
        SchemaDifference { missing: only(&there, &here), extra: only(&here, &there), changed: changed.collect() }
    }

    fn definitions(&self, ignore: &[NamePattern]) -> Objects {
        let mut found = Objects::new();
        for property in self.properties.iter().filter(|property| property.kind == "definition") {
            if property.names.iter().any(|name| ignore.iter().any(|pattern| pattern.matches(name))) {
                continue;
            }
            let of = property.of.as_ref().map(|of| self.key(of));
            let object =
                found.entry(self.key(&property.object)).or_insert_with(|| Object { of, definitions: Vec::new() });
            if !property.value.is_empty() {
                let definition = Definition::new(&property.value, &self.schema);
                object.definitions.push(definition.of_objects(&property.names));
            }
        }
        for object in found.values_mut() {
            object.definitions.sort_by_cached_key(Definition::key);
        }
        found
    }

    /// The text with one and the same mark for the name of any schema.
    fn key(&self, text: &str) -> String {
        Definition::new(text, &self.schema).key()
    }
}

/// The objects of a schema by their names, with the mark for the schema's.
type Objects = BTreeMap<String, Object>;

struct Object {
    of: Option<String>,
    definitions: Vec<Definition>,
}

impl Object {
    fn is_same(&self, other: &Self) -> bool {
        let mut both = self.definitions.iter().zip(&other.definitions);
        self.definitions.len() == other.definitions.len() && both.all(|(here, there)| here.is_same(there))
    }

    fn text(&self) -> String {
        self.definitions.iter().map(Definition::key).collect::<Vec<_>>().join("; ")
    }

    /// How the object differs from the one that the set makes, without the schema's name unless that is the difference.
    fn change(&self, name: &str, made: &Self) -> Option<Changed> {
        if self.is_same(made) {
            return None;
        }
        let (here, there) = (self.text(), made.text());
        let shown = if short(&here) == short(&there) { marked } else { short };
        Some(Changed { object: short(name), here: shown(&here), made: shown(&there) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(schema: &str, properties: &[(&str, Option<&str>, &str)]) -> SchemaContents {
        let properties = properties.iter().map(|(object, of, value)| Property {
            object: (*object).to_owned(),
            of: of.map(str::to_owned),
            kind: "definition".to_owned(),
            value: (*value).to_owned(),
            names: object.rsplit(['.', ' ']).take(1).map(str::to_owned).collect(),
        });
        SchemaContents { schema: schema.to_owned(), properties: properties.collect() }
    }

    #[test]
    fn the_name_of_a_schema_makes_no_difference() {
        let here =
            contents("notes", &[("table notes.notes", None, "CHECK (notes.id > 0) nextval('notes.s'::regclass)")]);
        let there = contents("b", &[("table b.notes", None, "CHECK (notes.id > 0) nextval('b.s'::regclass)")]);
        assert!(here.compare(&there, &[]).is_empty(), "{:?}", here.compare(&there, &[]));
        let quoted = contents("user", &[("table \"user\".notes", None, "SET search_path TO 'user', 'public'")]);
        let plain = contents("b", &[("table b.notes", None, "SET search_path TO 'b', 'public'")]);
        assert!(quoted.compare(&plain, &[]).is_empty(), "{:?}", quoted.compare(&plain, &[]));
    }

    #[test]
    fn what_belongs_to_a_missing_table_is_not_named_again() {
        let table = ("table a.t", None, "");
        let column = ("column a.t.id", Some("table a.t"), "bigint");
        let difference = contents("a", &[]).compare(&contents("a", &[table, column]), &[]);
        assert_eq!(difference.missing, ["table t"]);
        let difference = contents("a", &[table]).compare(&contents("a", &[table, column]), &[]);
        assert_eq!(difference.missing, ["column t.id"]);
        let ignored = contents("a", &[table]).compare(&contents("a", &[table, column]), &[NamePattern::new("i*")]);
        assert!(ignored.is_empty());
    }
}
