//! Where every schema stands, in one query, before any lock.
//!
//! A digest that is one of the set's is a position in the set, and needs no look at the history. What is not is read once
//! for every distinct digest; a schema that was recreated or restored behind the registry's back is read by itself.

use std::collections::HashMap;

use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use crate::error::Error;
use crate::history::{self, Standing};
use crate::name::{TenantName, is_spare_sql, is_unfinished_sql};
use crate::registry::{Layout, rows_or_no_registry};
use crate::set::{Digest, MigrationSet};
use crate::sql::Ident;
use crate::status::UnusableRow;

/// How many tenants one page of a plan holds, so that memory does not grow with the fleet.
pub(crate) const PAGE: i64 = 1_000;

/// One round trip: the two sets, how many tenants there are and how many need a look, the first of these, and the names
/// that are not registered.
const OVERVIEW: &str = "\
WITH tenant AS MATERIALIZED (
    SELECT t.id, t.schema_name, t.version, t.digest, t.schema_oid, n.oid, t.status, t.last_error,
           %spare% AS is_spare,
           t.digest IS NOT DISTINCT FROM $1 AND n.oid IS NOT DISTINCT FROM t.schema_oid AS is_current
    FROM %registry%.tenants t LEFT JOIN pg_namespace n ON n.nspname = t.schema_name
    WHERE ($2::text[] IS NULL OR t.schema_name = ANY ($2::text[]::name[])) AND NOT %unfinished%
)
SELECT 'set' AS kind, NULL::int8 AS id, wanted.name, s.version, s.digest, s.schema_oid, n.oid,
       current_setting('standard_conforming_strings'), NULL::text
FROM (VALUES ('registry', $3::text::name), ('shared', $4::text::name)) AS wanted (name, schema_name)
LEFT JOIN %registry%.sets s ON s.name = wanted.name AND s.schema_name = wanted.schema_name
LEFT JOIN pg_namespace n ON n.nspname = wanted.schema_name
UNION ALL
SELECT 'count', count(*) FILTER (WHERE NOT is_spare), NULL,
       count(*) FILTER (WHERE NOT is_spare AND NOT is_current),
       count(*) FILTER (WHERE is_current AND last_error IS NOT NULL), NULL, NULL, NULL, NULL FROM tenant
UNION ALL
SELECT 'spares', count(*), NULL, count(*) FILTER (WHERE NOT is_current), NULL, NULL, NULL, NULL, NULL
FROM tenant WHERE is_spare
UNION ALL
SELECT 'missing', NULL, wanted.name, NULL, NULL, NULL, NULL, NULL, NULL
FROM (VALUES ('tenant_domains'), ('runs'), ('leases')) AS wanted (name)
WHERE to_regclass(format('%I.%I', $3::text, wanted.name)) IS NULL
UNION ALL
SELECT 'unfinished', count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM %registry%.tenants t WHERE %unfinished%
UNION ALL
SELECT 'extension', NULL, name, NULL, NULL, NULL, NULL, NULL, NULL
FROM unnest($9::text[]) AS wanted (name) WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = name::name)
UNION ALL
(SELECT 'absent', NULL, name, NULL, NULL, NULL, NULL, NULL, NULL
 FROM unnest($5::text[]) WITH ORDINALITY AS wanted (name, place)
 WHERE NOT EXISTS (SELECT FROM %registry%.tenants t WHERE t.schema_name = name::name) ORDER BY place)
UNION ALL
(SELECT 'tenant', id, schema_name::text, version, digest, schema_oid, oid, status, last_error
 FROM tenant WHERE id > $6 AND ($7 OR NOT is_current) ORDER BY id LIMIT $8)
";

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The state in which a tenant needs no look.
    pub(crate) latest: Digest,
    /// Only these tenants; all where it is empty.
    pub(crate) only: &'a [TenantName],
    /// Names of which to say whether they are registered.
    pub(crate) names: &'a [TenantName],
    /// Extensions of which to say whether they are there.
    pub(crate) extensions: &'a [String],
    /// Whether new tenants are going to be made in any case.
    pub(crate) for_new_tenants: bool,
    /// Tenants behind this id.
    pub(crate) after: i64,
    /// Also tenants that need no look.
    pub(crate) all: bool,
    /// So many of them.
    pub(crate) limit: i64,
}

impl Question<'_> {
    /// Only about the registry and the shared set.
    pub(crate) fn about_nobody(set: &MigrationSet) -> Self {
        Self {
            latest: set.digest(),
            only: &[],
            names: &[],
            extensions: &[],
            for_new_tenants: false,
            after: i64::MAX,
            all: false,
            limit: 0,
        }
    }
}

/// The answer.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    pub(crate) registry: Claim,
    pub(crate) shared: Claim,
    /// Tenants, and how many of them need a look.
    pub(crate) total: usize,
    pub(crate) pending: usize,
    /// Spare schemas, and how many of them need a look.
    pub(crate) spares: usize,
    pub(crate) pending_spares: usize,
    /// Tables that a current registry has, and this one lacks.
    pub(crate) missing: Vec<String>,
    /// Extensions that were asked for and are not there.
    pub(crate) missing_extensions: Vec<String>,
    /// New tenants' schemas that are not finished: they are being made, or a crash left them.
    pub(crate) unfinished: usize,
    /// Whether a tenant that needs no look has an error from before.
    pub(crate) stale_errors: bool,
    pub(crate) tenants: Vec<TenantClaim>,
    /// Rows among them whose schema has a name that no tenant can have.
    pub(crate) unusable: Vec<UnusableRow>,
    /// The last row's id, and whether there are as many as were asked for.
    pub(crate) last_id: Option<i64>,
    pub(crate) is_full: bool,
    pub(crate) absent: Vec<TenantName>,
}

/// What the registry says of a schema, and what the catalog does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) version: Option<i64>,
    pub(crate) digest: Option<Digest>,
    /// The schema that the claim was made for.
    pub(crate) recorded_oid: Option<u32>,
    /// The schema of that name.
    pub(crate) oid: Option<u32>,
}

/// What the registry says of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct TenantClaim {
    pub(crate) id: i64,
    pub(crate) name: TenantName,
    pub(crate) claim: Claim,
    pub(crate) status: String,
    pub(crate) last_error: Option<String>,
}

/// Asks for the overview. `None` when there is no registry yet, or one that an older binary made and that lacks what is
/// asked for.
pub(crate) fn overview(
    client: &mut Client,
    layout: &Layout,
    question: &Question<'_>,
) -> Result<Option<Overview>, Error> {
    let query = OVERVIEW
        .replace("%registry%", &Ident(layout.registry.as_str()).to_string())
        .replace("%spare%", &is_spare_sql("t.schema_name"))
        .replace("%unfinished%", &is_unfinished_sql("t.schema_name"));
    let text = |names: &[TenantName]| names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    let only = Some(text(question.only)).filter(|names| !names.is_empty());
    let mut names = text(question.only);
    names.extend(text(question.names));
    let parameters: [(&(dyn ToSql + Sync), Type); 9] = [
        (&question.latest.to_sql(), Type::INT8),
        (&only, Type::TEXT_ARRAY),
        (&layout.registry.as_str(), Type::TEXT),
        (&layout.shared.as_str(), Type::TEXT),
        (&names, Type::TEXT_ARRAY),
        (&question.after, Type::INT8),
        (&question.all, Type::BOOL),
        (&question.limit, Type::INT8),
        (&question.extensions, Type::TEXT_ARRAY),
    ];
    match rows_or_no_registry(client.query_typed(&query, &parameters), "planning")? {
        Some(rows) => read(&rows, layout, question.limit).map(Some),
        None => Ok(None),
    }
}

fn read(rows: &[Row], layout: &Layout, limit: i64) -> Result<Overview, Error> {
    let mut overview = Overview { tenants: Vec::with_capacity(rows.len()), ..Overview::default() };
    let count = |number: Option<i64>| number.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    for row in rows {
        match row.get::<_, &str>(0) {
            "set" if row.get::<_, Option<&str>>(7) == Some("off") => return Err(Error::BackslashesEscape),
            "set" if row.get::<_, &str>(2) == "registry" => overview.registry = claim(row),
            "set" => overview.shared = claim(row),
            "count" => {
                overview.total = count(row.get(1));
                overview.pending = count(row.get(3));
                overview.stale_errors = count(row.get(4)) > 0;
            }
            "spares" => {
                overview.spares = count(row.get(1));
                overview.pending_spares = count(row.get(3));
            }
            "missing" => overview.missing.push(row.get::<_, &str>(2).to_owned()),
            "unfinished" => overview.unfinished = count(row.get(1)),
            "extension" => overview.missing_extensions.push(row.get::<_, &str>(2).to_owned()),
            "absent" => overview.absent.push(row.get::<_, &str>(2).parse()?),
            _ => {
                let id = row.get(1);
                overview.last_id = Some(id);
                match row.get::<_, &str>(2).parse() {
                    Ok(name) => overview.tenants.push(TenantClaim {
                        id,
                        name,
                        claim: claim(row),
                        status: row.get::<_, Option<String>>(7).unwrap_or_default(),
                        last_error: row.get(8),
                    }),
                    Err(error) => {
                        overview.unusable.push(UnusableRow::new(&layout.table("tenants"), id, row.get(2), &error));
                    }
                }
            }
        }
    }
    let read = overview.tenants.len() + overview.unusable.len();
    overview.is_full = i64::try_from(read).is_ok_and(|read| read >= limit);
    Ok(overview)
}

fn claim(row: &Row) -> Claim {
    Claim {
        version: row.get(3),
        digest: row.get::<_, Option<i64>>(4).map(Digest::from_sql),
        recorded_oid: row.get(5),
        oid: row.get(6),
    }
}

impl Overview {
    /// Whether a tenant is behind or going to be made, so that the extensions of its set are needed; or there is none yet, and
    /// whoever deploys is to know about a missing one before the first sign-up does.
    pub(crate) fn needs_extensions(&self, question: &Question<'_>, warm_pool: usize) -> bool {
        self.total == 0
            || self.pending + self.pending_spares > 0
            || !self.absent.is_empty()
            || self.spares < warm_pool
            || question.for_new_tenants
    }

    /// Whether the registry has what its own history says it has.
    pub(crate) fn check(&self, registry: &MigrationSet, layout: &Layout) -> Result<(), Error> {
        if self.missing.is_empty() || !self.registry.is_current(registry) {
            return Ok(());
        }
        let missing = self.missing.iter().map(|table| layout.table(table)).collect();
        Err(Error::RegistryDamaged { schema: layout.registry.to_string(), missing })
    }
}

/// What the registry says of itself, where it cannot be asked for the rest: its own row has the same columns in every
/// version of it.
pub(crate) fn registry_claim(client: &mut Client, layout: &Layout) -> Result<Claim, Error> {
    let query = format!(
        "SELECT s.version, s.digest, s.schema_oid, n.oid FROM pg_namespace n LEFT JOIN {} s \
         ON s.name = 'registry' AND s.schema_name = n.nspname WHERE n.nspname = $1::text::name",
        layout.table("sets")
    );
    let registry = layout.registry.as_str();
    let rows = client.query_typed(&query, &[(&registry, Type::TEXT)]);
    match rows_or_no_registry(rows, "looking for the registry")? {
        Some(rows) => Ok(rows.first().map_or_else(Claim::default, registry_columns)),
        None => catalog_claim(client, registry),
    }
}

/// Version, digest, recorded schema, and the schema that is there.
fn registry_columns(row: &Row) -> Claim {
    Claim {
        version: row.get(0),
        digest: row.get::<_, Option<i64>>(1).map(Digest::from_sql),
        recorded_oid: row.get(2),
        oid: row.get(3),
    }
}

/// What the registry says of a new tenant's schema that is not finished.
pub(crate) fn unfinished_claim(client: &mut Client, layout: &Layout, hidden: &str) -> Result<Option<Claim>, Error> {
    let query = format!(
        "SELECT t.version, t.digest, t.schema_oid, n.oid FROM {} t LEFT JOIN pg_namespace n ON n.nspname = t.schema_name \
         WHERE t.schema_name = $1::text::name",
        layout.table("tenants")
    );
    let rows = client
        .query_typed(&query, &[(&hidden, Type::TEXT)])
        .map_err(|error| Error::from_driver(format!("looking for schema {hidden}"), &error))?;
    Ok(rows.first().map(registry_columns))
}

/// What the catalog says of a schema, where there is no registry to ask.
pub(crate) fn catalog_claim(client: &mut Client, schema: &str) -> Result<Claim, Error> {
    let query = "SELECT oid FROM pg_namespace WHERE nspname = $1::text::name";
    let rows = client
        .query_typed(query, &[(&schema, Type::TEXT)])
        .map_err(|error| Error::from_driver(format!("looking for schema {schema}"), &error))?;
    Ok(Claim { oid: rows.first().map(|row| row.get(0)), ..Claim::default() })
}

impl Claim {
    /// Whether the claim is about the schema that exists, and puts it where the whole set is applied.
    pub(crate) fn is_current(&self, set: &MigrationSet) -> bool {
        self.digest == Some(set.digest()) && self.is_about_this_schema()
    }

    /// Whether the schema is the one that the claim was made for.
    fn is_about_this_schema(&self) -> bool {
        self.oid.is_some() && self.oid == self.recorded_oid
    }
}

/// Finds where schemas stand, and remembers it by their digests.
pub(crate) struct Resolver<'a> {
    set: &'a MigrationSet,
    foreign: HashMap<Digest, Standing>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(set: &'a MigrationSet) -> Self {
        Self { set, foreign: HashMap::new() }
    }

    /// Where a schema stands.
    pub(crate) fn resolve(&mut self, client: &mut Client, schema: &str, claim: &Claim) -> Result<Standing, Error> {
        if claim.oid.is_none() {
            return Ok(Standing::Missing);
        }
        let believed = claim.digest.filter(|_| claim.is_about_this_schema());
        if let Some(digest) = believed {
            if let Some(applied) = self.set.position(digest) {
                return Ok(Standing::Applied(applied));
            }
            if let Some(standing) = self.foreign.get(&digest) {
                return Ok(standing.clone());
            }
        }
        let history = match history::read(client, schema)? {
            Ok(history) => history,
            Err(problem) => return Ok(Standing::Unreadable(problem)),
        };
        let (standing, digest) = history::compare(self.set, &history);
        // Only a row whose digest is that of its history says something about other schemas with the same digest.
        if believed == Some(digest) {
            self.foreign.insert(digest, standing.clone());
        }
        Ok(standing)
    }
}
