//! What an import of another tool's histories did, or would do.

use std::fmt;
use std::str::FromStr;

use super::error::Error;
use crate::names::TenantName;
use crate::set::SetName;

/// A migration tool whose histories [`Migrator::import`](crate::Migrator::import) reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tool {
    /// refinery: `refinery_schema_history`.
    Refinery,
    /// sqlx: `_sqlx_migrations`.
    Sqlx,
    /// diesel: `__diesel_schema_migrations`.
    Diesel,
    /// sea-orm-migration: `seaql_migrations`.
    SeaOrm,
    /// Django, also with django-tenants: `django_migrations`.
    Django,
    /// Flyway: `flyway_schema_history`.
    Flyway,
    /// golang-migrate: `schema_migrations`.
    GolangMigrate,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 7] =
        [Self::Refinery, Self::Sqlx, Self::Diesel, Self::SeaOrm, Self::Django, Self::Flyway, Self::GolangMigrate];

    /// The tool's name, as in `sea-orm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refinery => "refinery",
            Self::Sqlx => "sqlx",
            Self::Diesel => "diesel",
            Self::SeaOrm => "sea-orm",
            Self::Django => "django",
            Self::Flyway => "flyway",
            Self::GolangMigrate => "golang-migrate",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Tool {
    type Err = Error;

    /// # Errors
    ///
    /// If no tool has this name.
    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|tool| tool.as_str() == name);
        found.ok_or_else(|| Error::UnknownTool { name: name.to_owned() })
    }
}

/// What [`Migrator::import`](crate::Migrator::import) did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Import {
    /// The tool.
    pub tool: Tool,
    /// The name of the tool's history table.
    pub table: String,
    /// Whether nothing was written.
    pub is_dry_run: bool,
    /// The shared schema; `None` if it has no history of the tool.
    pub shared: Option<ImportedSet>,
    /// The tenants' schemas; `None` if no schema of a tenant has a history of the tool.
    pub tenants: Option<ImportedSet>,
    /// Mappings of the caller that concern no applied migration.
    pub unused: Vec<String>,
}

/// The schemas of one set, and how the tool's migrations correspond to the set's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedSet {
    /// The set.
    pub set: SetName,
    /// Every migration of the tool that is applied to one of the schemas.
    pub mapping: Vec<Counterpart>,
    /// Rows of the tool that are not versions, as of Flyway's repeatable migrations. They are not imported.
    pub left_out: Vec<String>,
    /// The schemas, by name.
    pub schemas: Vec<ImportedSchema>,
}

/// A migration of the tool, and what corresponds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counterpart {
    /// What mappings call it: its version, or its name if it has no version.
    pub foreign: String,
    /// The tool's description, if it has one besides.
    pub description: Option<String>,
    /// Titles of the set's migrations.
    pub ours: Vec<String>,
    /// Why they correspond.
    pub basis: Basis,
    /// How the two texts compare.
    pub text: Comparison,
    /// The number of schemas to which it is applied.
    pub schemas: usize,
}

/// Why migrations correspond.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Basis {
    /// They have the same version, and the same name if the tool keeps names.
    Version,
    /// They have the same name, and no other migration has it.
    Name,
    /// The caller says so.
    Rule(String),
    /// Nothing corresponds to it.
    Nothing,
}

/// How the text that the tool ran compares with the set's, according to the tool's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// The texts are identical.
    Identical,
    /// The texts differ.
    Different,
    /// The tool keeps no checksum, or it does not cover the same text.
    Unknown,
}

/// What was done with one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedSchema {
    /// The schema.
    pub schema: String,
    /// The tenant; `None` for the shared schema, and for a schema that cannot be a tenant's.
    pub tenant: Option<TenantName>,
    /// The last version of the set that the tool's history amounts to.
    pub version: Option<i64>,
    /// What was done.
    pub outcome: ImportOutcome,
}

/// What was done with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportOutcome {
    /// Its history was written and, for a tenant, the schema was registered; in a dry run: would be.
    Imported,
    /// It has this history already, or one that continues it.
    Unchanged,
    /// It was left as it is.
    Refused(Refusal),
}

/// Why the history of a schema was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Applied migrations have no counterpart in the set.
    Unmapped {
        /// The set.
        set: SetName,
        /// The tool's migrations.
        foreign: Vec<String>,
    },
    /// A migration of the set corresponds to several of the tool's, and not all of them are applied.
    Partial {
        /// The set's migration.
        ours: String,
        /// The tool's migrations that are not applied.
        lacks: Vec<String>,
    },
    /// Migrations of the set lie below the last applied one, and nothing that is applied corresponds to them.
    Hole {
        /// The set's migrations.
        ours: Vec<String>,
        /// The last one that is applied.
        below: String,
    },
    /// The tool did not finish a migration.
    Unfinished {
        /// The tool's migration.
        foreign: String,
    },
    /// The table is not the tool's, or cannot be read.
    Unreadable(String),
    /// The schema has a history of the set, and the two do not agree.
    Differs {
        /// Its history, as in `ends with V1__notes`.
        ours: String,
        /// What the tool has applied, in the same words.
        theirs: String,
    },
    /// The schema cannot be a tenant's.
    Name(String),
    /// One of the two histories changed during the import.
    Changed,
    /// The server refused to write the history.
    Server(String),
}

impl Import {
    /// Whether no schema was refused.
    pub fn is_success(&self) -> bool {
        self.schemas().all(|schema| !matches!(schema.outcome, ImportOutcome::Refused(_)))
    }

    /// The schemas of both sets.
    pub fn schemas(&self) -> impl Iterator<Item = &ImportedSchema> {
        self.sets().flat_map(|set| &set.schemas)
    }

    /// The sets that have schemas.
    pub fn sets(&self) -> impl Iterator<Item = &ImportedSet> {
        [&self.shared, &self.tenants].into_iter().flatten()
    }
}

/// The most names in one text.
const NAMED: usize = 10;

fn names(all: &[String]) -> String {
    let shown = all[..all.len().min(NAMED)].join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmapped { set, foreign } => write!(
                f,
                "nothing in the {set} set corresponds to {}, which the tool has applied; map each to a version of the \
                 set, or say that it has no counterpart (ImportOptions::map)",
                names(foreign)
            ),
            Self::Partial { ours, lacks } => write!(
                f,
                "{ours} stands for several of the tool's migrations, and {} not applied here: {}; apply them with the \
                 tool first, then import again",
                if lacks.len() == 1 { "one of them is" } else { "some of them are" },
                names(lacks)
            ),
            Self::Hole { ours, below } => write!(
                f,
                "{} below {below}, which is applied, but nothing that the tool has applied corresponds to {}; map \
                 the tool's migrations to {} (ImportOptions::map), or give {} a version above {below}",
                if ours.len() == 1 { format!("{} lies", names(ours)) } else { format!("{} lie", names(ours)) },
                if ours.len() == 1 { "it" } else { "them" },
                if ours.len() == 1 { "it" } else { "them" },
                if ours.len() == 1 { "it" } else { "them" },
            ),
            Self::Unfinished { foreign } => write!(
                f,
                "the tool did not finish {foreign}: its row is marked as failed; repair the schema and the row with \
                 the tool, then import again"
            ),
            Self::Unreadable(problem) => write!(
                f,
                "its history cannot be read: {problem}; if another program owns the table, name the tool's table \
                 (ImportOptions::table) or leave the schema out (ImportOptions::tenants)"
            ),
            Self::Differs { ours, theirs } => write!(
                f,
                "it already has a history of this set, which {ours}, but what the tool has applied {theirs}; find out \
                 which one is right, and drop the schema's refinery_schema_history if that one is wrong"
            ),
            Self::Name(problem) => f.write_str(problem),
            Self::Changed => f.write_str(
                "its history changed during the import; stop what migrates it, then import again, which continues \
                 with the remaining schemas",
            ),
            Self::Server(problem) => write!(f, "its history could not be written: {problem}"),
        }
    }
}
