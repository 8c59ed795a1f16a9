//! What one schema is sent: one message, which the server runs as one transaction.
//!
//! A simple query of several statements is one implicit transaction: `SET LOCAL` holds in it, any error rolls all of it
//! back, and the connection is clean afterwards. So the guard, the migrations, their history rows and the registry's row
//! commit together or not at all, for one round trip.

use std::fmt::Write;
use std::ops::Range;

use crate::epilogue::{self, Local};
use crate::gate::Point;
use crate::history;
use crate::lock::{self, Lock};
use crate::mark::{Found, Mark};
use crate::name::TenantName;
use crate::plan::Claim;
use crate::registry::Layout;
use crate::set::{Migration, MigrationSet, Qualified, Unit, Whose};
use crate::settings::Settings;
use crate::sql::{BEGINNING, Ident, Literal, OrNull};
use crate::unfinished;

/// Whose schema it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    Registry,
    Shared,
    Tenant(&'a TenantName),
}

/// One schema to bring up to date, and what the plan knows of it.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) set: &'a MigrationSet,
    pub(crate) owner: Owner<'a>,
    /// What the guard checks that it still is so.
    pub(crate) claim: Claim,
    /// The first so many migrations are applied.
    pub(crate) applied: usize,
    /// How the schema comes into being.
    pub(crate) origin: Origin,
    /// The name that the last transaction gives to a schema which is made in several ones.
    pub(crate) rename_to: Option<&'a TenantName>,
    /// The name of the connection that it is sent over.
    pub(crate) application_name: Option<&'a str>,
    /// Whether the commit waits for the disk.
    pub(crate) durable: bool,
    /// Whether the transaction looks at what it wrote, and rolls back when something of it is not the tenant's.
    pub(crate) inspect: bool,
    /// Whether the place of a failure is looked for even if it can pass by itself. That can mean to wait for the same lock
    /// again, so it is done on the last try only.
    pub(crate) is_last_try: bool,
}

/// Raises when the transaction defined something outside of some schemas.
const INSPECTION: &str = include_str!("inspection.sql");

/// Where the schema comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is there.
    Exists,
    /// It is created with its content, in one transaction; a tenant's place in the order can be given.
    Created { id: Option<i64> },
}

/// What is done in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These migrations in one transaction.
    Together(Range<usize>),
    /// This one outside a transaction.
    Outside(usize),
}

/// A message in parts, so that an error's position leads back to a migration.
#[derive(Clone, Default)]
pub(crate) struct Script {
    parts: Vec<Part>,
    /// The parts that are migrations, with what stands between them.
    migrations: Range<usize>,
}

#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) sent: Qualified,
    /// The migration that the text is of, when it is of one.
    pub(crate) migration: Option<usize>,
}

/// The columns of a mark.
const MARK: [&str; 4] = ["in_flight_version", "in_flight_statement", "in_flight_file", "in_flight_text"];

/// Ends a statement, also behind a comment without a line end.
const SEPARATOR: &str = "\n;\n";

impl<'a> Job<'a> {
    /// A schema that exists, and to which nothing is applied as far as is known. What tenants commit is on disk when the
    /// run's last commit is.
    pub(crate) fn new(settings: &'a Settings, set: &'a MigrationSet, owner: Owner<'a>, claim: Claim) -> Self {
        let durable = !matches!(owner, Owner::Tenant(_));
        Self {
            settings,
            set,
            owner,
            claim,
            applied: 0,
            origin: Origin::Exists,
            rename_to: None,
            application_name: None,
            durable,
            inspect: false,
            is_last_try: true,
        }
    }

    pub(crate) fn layout(&self) -> &'a Layout {
        &self.settings.layout
    }

    pub(crate) fn schema(&self) -> &str {
        match self.owner {
            Owner::Registry => self.layout().registry.as_str(),
            Owner::Shared => self.layout().shared.as_str(),
            Owner::Tenant(name) => name.as_str(),
        }
    }

    pub(crate) fn tenant(&self) -> Option<&TenantName> {
        match self.owner {
            Owner::Tenant(name) => Some(name),
            Owner::Registry | Owner::Shared => None,
        }
    }

    /// Whether it makes a tenant under the name that it is known by.
    pub(crate) fn is_new_tenant(&self) -> bool {
        let is_created = matches!(self.origin, Origin::Created { .. });
        is_created && self.tenant().is_some_and(|name| !name.is_spare())
    }

    /// The role that the migrations run as, where it is not the connection's.
    pub(crate) fn role(&self) -> Option<&'a str> {
        let role = self.settings.tenant_role.as_ref().filter(|_| matches!(self.owner, Owner::Tenant(_)));
        role.map(crate::name::RoleName::as_str)
    }

    /// What is to be done, in order. There is at least one step, since the registry's row is always written.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let all = self.applied..self.set.migrations().len();
        // Nobody else can see a schema that is being created: nothing in it has to run concurrently.
        let is_new = matches!(self.origin, Origin::Created { .. });
        let commits = &self.settings.commits;
        let is_apart = |migration: &Migration| {
            migration.is_outside_a_transaction()
                && (!is_new || migration.is_apart_for_a_new_schema() || commits.are_needed_within(migration))
        };
        let mut steps = Vec::new();
        let mut start = all.start;
        for index in all.clone() {
            if start < index && commits.are_needed(self.set, index) {
                steps.push(Step::Together(start..index));
                start = index;
            }
            if is_apart(&self.set.migrations()[index]) {
                // The schema is created in a transaction, with or without a migration.
                if start < index || is_new && steps.is_empty() {
                    steps.push(Step::Together(start..index));
                }
                steps.push(Step::Outside(index));
                start = index + 1;
            }
        }
        if start < all.end || steps.is_empty() || self.rename_to.is_some() {
            steps.push(Step::Together(start..all.end));
        }
        steps
    }

    /// The message for migrations that run in one transaction.
    pub(crate) fn script(&self, migrations: Range<usize>) -> Script {
        let mut script = Script::default();
        let unless_half_done = match self.owner {
            Owner::Registry => String::new(),
            Owner::Shared | Owner::Tenant(_) => self.unless_half_done(&migrations),
        };
        for sql in self.opening(&unless_half_done) {
            script.push(sql);
        }
        self.gate(&mut script, Point::Locked);
        let rename_to = self.rename_to.filter(|_| migrations.end == self.set.migrations().len());
        if let Some(name) = rename_to {
            script.push(unfinished::guard(self.layout(), name));
        }
        match self.origin {
            Origin::Exists => {}
            Origin::Created { id } => {
                if let Owner::Tenant(name) = self.owner {
                    script.push(self.register(name, id));
                }
                let owner = self.role().map_or_else(String::new, |role| format!(" AUTHORIZATION {}", Ident(role)));
                script.push(format!("CREATE SCHEMA {}{owner}", Ident(self.schema())));
            }
        }
        if migrations.start == 0 {
            script.push(history::create_table(self.schema()));
        }
        let first = script.parts.len();
        for index in migrations.clone() {
            script.push(self.search_path());
            if let Some(role) = self.role() {
                script.push(format!("SET LOCAL ROLE {}", Ident(role)));
            }
            let migration = &self.set.migrations()[index];
            script.push_migration(index, self.text(migration, None));
            self.push_epilogue(&mut script);
            script.push(history::insert(self.schema(), migration));
        }
        if self.inspect {
            script.push(self.inspection(migrations.clone()));
        }
        script.migrations = first..script.parts.len();
        self.gate(&mut script, Point::Applied);
        script.push(self.record(&migrations));
        if let Some(name) = rename_to {
            script.push(unfinished::finish(self.layout(), self.schema(), name));
        } else if self.rename_to.is_some() {
            script.push(unfinished::renew(self.layout(), self.schema()));
        }
        self.gate(&mut script, Point::Recorded);
        script
    }

    /// The message for one unit of a migration that runs outside a transaction: a transaction of its own, which replaces one
    /// mark by another. So the unit is done once, also when the lock on the schema was lost meanwhile.
    pub(crate) fn unit_script(&self, index: usize, unit: &Unit, from: &Found, to: &Mark) -> Script {
        let migration = &self.set.migrations()[index];
        let mut script = Script::default();
        for sql in BEGINNING {
            script.push(sql.to_owned());
        }
        for sql in self.for_this_transaction() {
            script.push(sql);
        }
        script.push(self.only_from(from));
        let first = script.parts.len();
        script.push(self.search_path());
        if let Some(role) = self.role() {
            script.push(format!("SET LOCAL ROLE {}", Ident(role)));
        }
        for setting in migration.outside().into_iter().flat_map(|outside| outside.settings_for(unit)) {
            script.push_migration(index, self.text(migration, Some(setting.clone())));
        }
        script.push_migration(index, self.text(migration, Some(unit.range.clone())));
        self.push_epilogue(&mut script);
        if self.inspect {
            script.push(self.inspection(index..index + 1));
        }
        script.migrations = first..script.parts.len();
        self.gate(&mut script, Point::Applied);
        script.push(self.replace_mark(from, to));
        self.gate(&mut script, Point::Recorded);
        script
    }

    fn push_epilogue(&self, script: &mut Script) {
        if self.set.defers() {
            script.push(epilogue::check_constraints(self.schema()));
        }
        script.push(epilogue::epilogue(self.local()));
    }

    /// What is sent of a migration, or of a part of it. The registry's own say themselves where everything is.
    pub(crate) fn text(&self, migration: &Migration, part: Option<Range<usize>>) -> Qualified {
        match self.owner {
            Owner::Registry => Qualified::from(migration.sql().to_owned()),
            Owner::Shared => migration.qualified(self.schema(), part, Whose::Shared),
            Owner::Tenant(_) => migration.qualified(self.schema(), part, Whose::Tenant),
        }
    }

    fn gate(&self, script: &mut Script, point: Point) {
        self.settings.gate.at(point).into_iter().for_each(|sql| script.push(sql));
    }

    /// Schemas that these migrations say they change beside their own.
    pub(crate) fn allowed_schemas(&self, migrations: Range<usize>) -> Vec<&'a str> {
        let allowed = self.set.migrations()[migrations].iter().flat_map(Migration::allowed_schemas);
        allowed.map(String::as_str).collect()
    }

    /// Whether one of these migrations says that it changes what no schema holds.
    pub(crate) fn allows_database(&self, migrations: Range<usize>) -> bool {
        self.set.migrations()[migrations].iter().any(Migration::allows_database)
    }

    fn inspection(&self, migrations: Range<usize>) -> String {
        let allowed = self.allowed_schemas(migrations).into_iter().chain([self.schema()]);
        let allowed: Vec<_> = allowed.map(|name| Literal(name).to_string()).collect();
        // Written so that the planner expects few rows.
        let ours = "CASE WHEN age(xmin) = our_age THEN 1 \
                    WHEN age(xmin) NOT BETWEEN our_age - 10000 AND our_age THEN 0 \
                    WHEN pg_xact_status((mine + our_age - age(xmin))::text::xid8) = 'in progress' THEN 1 ELSE 0 END = 1";
        INSPECTION
            .replace("%ours%", ours)
            .replace("%allowed%", &format!("ARRAY[{}]", allowed.join(", ")))
            .replace("%tenants%", &self.layout().table("tenants"))
            .replace("%code%", lock::TRESPASS)
    }

    /// The settings of the transaction, and the guard with what it does when all is well.
    pub(crate) fn opening(&self, body: &str) -> Vec<String> {
        // A snapshot that is older than the lock would let a stale plan pass.
        let mut opening = BEGINNING.map(str::to_owned).to_vec();
        opening.extend(self.settings.gate.at(Point::Begun));
        opening.push(lock::guarded(&self.layout().registry, self.lock(), &self.stale(), "", body));
        opening.extend(self.for_this_transaction());
        opening
    }

    fn for_this_transaction(&self) -> Vec<String> {
        let mut settings = vec![self.lock_timeout()];
        if !self.durable {
            settings.push("SET LOCAL synchronous_commit = off".to_owned());
        }
        settings
    }

    pub(crate) fn lock(&self) -> Lock<'_> {
        match self.owner {
            Owner::Registry | Owner::Shared => Lock::Fleet,
            Owner::Tenant(name) => Lock::Tenant(name),
        }
    }

    fn local(&self) -> Local<'a> {
        Local {
            application_name: self.application_name,
            lock_timeout: self.settings.lock_timeout,
            durable: self.durable,
        }
    }

    pub(crate) fn lock_timeout(&self) -> String {
        format!("SET LOCAL lock_timeout = '{}ms'", self.settings.lock_timeout.as_millis())
    }

    /// Unqualified names are the schema's own first; then the shared tables; `public` last, where extensions live.
    pub(crate) fn search_path(&self) -> String {
        format!("SET LOCAL search_path = {}", self.path())
    }

    /// The value of the setting.
    pub(crate) fn path(&self) -> String {
        let shared = self.layout().shared.as_str();
        let mut path = Ident(self.schema()).to_string();
        for schema in [shared, "public"] {
            if matches!(self.owner, Owner::Tenant(_)) || schema == "public" {
                let schema = Ident(schema).to_string();
                if !path.split(", ").any(|taken| taken == schema) {
                    let _ = write!(path, ", {schema}");
                }
            }
        }
        path
    }

    /// The condition under which the plan does not hold any more.
    fn stale(&self) -> String {
        let digest = OrNull(self.claim.digest.map(crate::set::Digest::to_sql));
        let oid = OrNull(self.claim.oid);
        let schema = Literal(self.schema());
        let same_schema = format!("(SELECT oid FROM pg_namespace WHERE nspname = {schema}) IS NOT DISTINCT FROM {oid}");
        match self.owner {
            // There is no registry yet. `to_regclass` would answer from what the session knew before it had the lock.
            Owner::Registry if self.applied == 0 => format!(
                "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = {schema} AND c.relname = 'sets')"
            ),
            Owner::Registry | Owner::Shared => format!(
                "NOT ({same_schema} AND (SELECT digest FROM {} WHERE name = {} AND schema_name = {schema}) \
                 IS NOT DISTINCT FROM {digest})",
                self.layout().table("sets"),
                self.key(),
            ),
            Owner::Tenant(_) => match self.origin {
                Origin::Exists => format!(
                    "NOT ({same_schema} AND EXISTS (SELECT FROM {} WHERE schema_name = {schema} \
                     AND digest IS NOT DISTINCT FROM {digest}))",
                    self.layout().table("tenants"),
                ),
                Origin::Created { .. } => {
                    format!("EXISTS (SELECT FROM {} WHERE schema_name = {schema})", self.layout().table("tenants"))
                }
            },
        }
    }

    fn key(&self) -> &'static str {
        match self.owner {
            Owner::Registry => "'registry'",
            _ => "'shared'",
        }
    }

    /// Writes the registry's row behind these migrations: all in front of them, and they, are applied.
    pub(crate) fn record(&self, migrations: &Range<usize>) -> String {
        let applied = migrations.end;
        let schema = Literal(self.schema());
        let version = OrNull(self.set.version_at(applied));
        let digest = self.set.digest_at(applied).to_sql();
        let oid = format!("(SELECT oid FROM pg_namespace WHERE nspname = {schema})");
        let marks = self.marks_behind(migrations, &oid);
        match self.owner {
            Owner::Tenant(_) => format!(
                "UPDATE {} AS t SET version = {version}, digest = {digest}, schema_oid = {oid}, {marks}\
                 migrated_at = clock_timestamp(), last_error = NULL WHERE schema_name = {schema}",
                self.layout().table("tenants"),
            ),
            Owner::Registry | Owner::Shared => format!(
                "INSERT INTO {} AS t (name, schema_name, schema_oid, version, digest, migrated_at) \
                 VALUES ({}, {schema}, {oid}, {version}, {digest}, clock_timestamp()) \
                 ON CONFLICT (name) DO UPDATE SET schema_name = excluded.schema_name, \
                 schema_oid = excluded.schema_oid, version = excluded.version, digest = excluded.digest, \
                 {marks}migrated_at = excluded.migrated_at",
                self.layout().table("sets"),
                self.key(),
            ),
        }
    }

    /// The mark of one of these migrations is not needed any more. That of another one stays, since that goes on behind them;
    /// but where the schema has taken the place of another one, it says nothing of what is done.
    fn marks_behind(&self, migrations: &Range<usize>, oid: &str) -> String {
        let Some([first, .., last] | [first @ last]) = self.set.migrations().get(migrations.clone()) else {
            return String::new();
        };
        // One that ran outside of a transaction may have gone on under another version.
        let is_over = match (first, last) {
            (only, _) if migrations.len() == 1 && only.is_outside_a_transaction() => "true".to_owned(),
            _ => format!("t.in_flight_version BETWEEN {} AND {}", first.version(), last.version()),
        };
        let [version, statement, file, text] = MARK;
        let stays = |name: &str| format!("{name} = CASE WHEN {is_over} THEN NULL ELSE t.{name} END, ");
        let tells = |name: &str| {
            format!("{name} = CASE WHEN {is_over} OR t.schema_oid IS DISTINCT FROM {oid} THEN NULL ELSE t.{name} END, ")
        };
        [stays(version), stays(statement), tells(file), tells(text)].concat()
    }

    /// Raises when a migration has done a part of its work outside of a transaction, and is not one of those behind these.
    fn unless_half_done(&self, migrations: &Range<usize>) -> String {
        if self.origin != Origin::Exists {
            return String::new();
        }
        let later = self.set.migrations().get(migrations.end..).unwrap_or_default().iter();
        let later = later.filter(|migration| migration.is_outside_a_transaction());
        let later: Vec<_> = later.map(|migration| migration.version().to_string()).collect();
        let (table, condition) = self.row();
        let schema = Literal(self.schema());
        format!(
            "  IF EXISTS (SELECT FROM {table} WHERE {condition} AND schema_name = {schema} \
             AND in_flight_version <> ALL (ARRAY[{}]::int8[]) AND (in_flight_statement > 0 OR in_flight_text IS NOT NULL)) THEN
    RAISE EXCEPTION 'a run stopped in the middle of version %, which ran outside of a transaction, and is not finished',
      (SELECT in_flight_version FROM {table} WHERE {condition})
      USING ERRCODE = '{}', HINT = 'finish it first: with `-- migrate: no-transaction` on top of its file, or MigrationSet::no_transaction in code, it goes on behind what is done, also under another version. Where what it did is taken back, forget it: {}';
  END IF;
",
            later.join(", "),
            lock::HALF_DONE,
            self.forget_mark().replace('\'', "''"),
        )
    }

    /// The statement by which an operator lets a migration that runs outside a transaction begin anew.
    pub(crate) fn forget_mark(&self) -> String {
        let (table, condition) = self.row();
        let columns = MARK.map(|name| format!("{name} = NULL")).join(", ");
        format!("UPDATE {table} SET {columns} WHERE {condition}")
    }

    fn register(&self, name: &TenantName, id: Option<i64>) -> String {
        let tenants = self.layout().table("tenants");
        let status = match name {
            name if name.is_unfinished() => "unfinished",
            name if name.is_spare() => "spare",
            _ => "active",
        };
        let name = Literal(name.as_str());
        match id {
            None => format!("INSERT INTO {tenants} (schema_name, status) VALUES ({name}, '{status}')"),
            Some(id) => format!(
                "INSERT INTO {tenants} (id, schema_name, status) OVERRIDING SYSTEM VALUE VALUES ({id}, {name}, '{status}')"
            ),
        }
    }

    /// Raises when another session does a unit for this schema, or has done one since the mark was read. The row itself is
    /// locked at the end of the unit only: the application writes to it too.
    fn only_from(&self, from: &Found) -> String {
        let (table, condition) = self.row();
        let key = lock::key(&self.layout().registry, &Literal(&format!("unit {}", self.schema())).to_string());
        format!(
            "DO $migrate$ BEGIN
  IF NOT pg_try_advisory_xact_lock({key}) THEN
    RAISE EXCEPTION 'another session is at work on this schema' USING ERRCODE = '{}';
  END IF;
  IF EXISTS (SELECT FROM {table} AS t WHERE {condition} AND NOT {}) THEN
    RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '{}';
  END IF;
END $migrate$",
            lock::TENANT_BUSY,
            is_still(from),
            lock::STALE,
        )
    }

    /// Replaces the mark of the schema by another one, or raises when it is not this one any more. The row is about the
    /// schema that is there now from then on.
    pub(crate) fn replace_mark(&self, from: &Found, to: &Mark) -> String {
        let (table, condition) = self.row();
        let schema = Literal(self.schema());
        let columns = MARK.join(", ");
        let version = OrNull(self.set.version_at(self.applied));
        let digest = self.set.digest_at(self.applied).to_sql();
        let oid = format!("(SELECT oid FROM pg_namespace WHERE nspname = {schema})");
        let values = to.to_sql();
        let row = format!(
            "(version, digest, schema_oid, {columns}) = ROW(\
             CASE WHEN t.schema_oid = {oid} THEN t.version ELSE {version} END, \
             CASE WHEN t.schema_oid = {oid} THEN t.digest ELSE {digest} END, {oid}, {values})"
        );
        let unchanged = is_still(from);
        let replace = match self.owner {
            Owner::Tenant(_) => format!("UPDATE {table} AS t SET {row} WHERE {condition} AND {unchanged}"),
            // A schema that is taken over has no row yet.
            Owner::Registry | Owner::Shared => format!(
                "INSERT INTO {table} AS t (name, schema_name, version, digest, schema_oid, {columns}) \
                 VALUES ({}, {schema}, {version}, {digest}, {oid}, {values}) \
                 ON CONFLICT (name) DO UPDATE SET schema_name = excluded.schema_name, {row} WHERE {unchanged}",
                self.key(),
            ),
        };
        format!(
            "DO $migrate$ BEGIN
  {replace};
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '{}';
  END IF;
END $migrate$",
            lock::STALE,
        )
    }

    /// Reads the mark: a row of four numbers, and whether the mark is about the schema that is there.
    pub(crate) fn in_flight(&self) -> String {
        let (table, condition) = self.row();
        let schema = Literal(self.schema());
        format!(
            "SELECT in_flight_version, in_flight_statement, in_flight_file, in_flight_text, \
             schema_name = {schema} AND coalesce(schema_oid = (SELECT oid FROM pg_namespace WHERE nspname = {schema}), true) \
             FROM {table} WHERE {condition}"
        )
    }

    pub(crate) fn row(&self) -> (String, String) {
        match self.owner {
            Owner::Tenant(name) => {
                (self.layout().table("tenants"), format!("schema_name = {}", Literal(name.as_str())))
            }
            Owner::Registry | Owner::Shared => (self.layout().table("sets"), format!("name = {}", self.key())),
        }
    }
}

/// Whether the row `t` has this mark.
fn is_still(mark: &Found) -> String {
    let columns = MARK.map(|name| format!("t.{name}")).join(", ");
    format!("({columns}) IS NOT DISTINCT FROM {}", mark.to_sql())
}

impl Script {
    fn push(&mut self, sql: String) {
        self.parts.push(Part { sent: Qualified::from(sql), migration: None });
    }

    fn push_migration(&mut self, index: usize, sent: Qualified) {
        self.parts.push(Part { sent, migration: Some(index) });
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The message in three: what comes before the migrations, these, and what comes behind them.
    pub(crate) fn around_migrations(&self) -> [Self; 3] {
        let Range { start, end } = self.migrations;
        [0..start, start..end, end..self.parts.len()]
            .map(|range| Self { migrations: 0..range.len(), parts: self.parts[range].to_vec() })
    }

    /// The whole message.
    pub(crate) fn message(&self) -> String {
        let length = self.parts.iter().map(|part| part.sent.text.len() + SEPARATOR.len()).sum();
        let mut message = String::with_capacity(length);
        for part in &self.parts {
            message.push_str(&part.sent.text);
            message.push_str(SEPARATOR);
        }
        message
    }

    /// The migration, and the offset in its text in bytes, for an error's position in the message: in characters, from 1.
    pub(crate) fn source(&self, position: u32) -> Option<(usize, usize)> {
        let mut left = usize::try_from(position).ok()?.checked_sub(1)?;
        for part in &self.parts {
            let characters = part.sent.text.chars().count() + SEPARATOR.len();
            if left < characters {
                // The `;` that ends an unfinished statement is ours: the place is where the statement stops.
                let end = part.sent.text.trim_end().len();
                let offset = part.sent.text.char_indices().nth(left).map_or(end, |(offset, _)| offset);
                return part.migration.map(|migration| (migration, part.sent.original(offset)));
            }
            left -= characters;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Result<MigrationSet, crate::Error> {
        MigrationSet::new("tenant")?
            .with_migration("V1__a", || "SELECT 'ä' -- no line end".to_owned())?
            .with_migration("V2__b", || "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);".to_owned())?
            .with_migration("V3__c", || "SET LOCAL lock_timeout = 0; SELECT 2;".to_owned())?
            .with_migration("V4__d", || "SELECT nmae".to_owned())
    }

    fn job<'a>(settings: &'a Settings, set: &'a MigrationSet, name: &'a TenantName, origin: Origin) -> Job<'a> {
        Job { origin, ..Job::new(settings, set, Owner::Tenant(name), Claim::default()) }
    }

    #[test]
    fn a_no_transaction_migration_splits_the_script_unless_the_schema_is_new() -> Result<(), crate::Error> {
        let (settings, set, name) = (Settings::default(), set()?, "acme".parse()?);
        let steps = [Step::Together(0..1), Step::Outside(1), Step::Together(2..4)];
        assert_eq!(job(&settings, &set, &name, Origin::Exists).steps(), steps);
        let created = job(&settings, &set, &name, Origin::Created { id: None });
        assert_eq!(created.steps(), [Step::Together(0..4)]);
        assert!(!created.script(0..4).message().contains("CONCURRENTLY"));
        assert_eq!(Job { applied: 4, ..created }.steps(), [Step::Together(4..4)]);
        assert_eq!(Job { applied: 4, origin: Origin::Exists, ..created }.steps(), [Step::Together(4..4)]);
        Ok(())
    }

    #[test]
    fn a_position_leads_back_to_the_migration() -> Result<(), crate::Error> {
        let (settings, set, name) = (Settings::default(), set()?, "acme".parse()?);
        let script = job(&settings, &set, &name, Origin::Created { id: None }).script(0..4);
        let message = script.message();
        let position = |text: &str| {
            let at = message.find(text).unwrap_or_default();
            u32::try_from(message[..at].chars().count() + 1).unwrap_or_default()
        };
        assert_eq!(script.source(position("nmae")), Some((3, 7)));
        assert_eq!(script.source(position("SELECT 'ä'")), Some((0, 0)));
        assert_eq!(script.source(position("INSERT INTO")), None);
        assert_eq!(script.source(0), None);
        assert_eq!(script.source(u32::MAX), None);
        Ok(())
    }

    #[test]
    fn a_local_setting_does_not_reach_the_next_migration() -> Result<(), crate::Error> {
        let (settings, set, name) = (Settings::default(), set()?, "acme".parse()?);
        let message = job(&settings, &set, &name, Origin::Created { id: None }).script(0..4).message();
        let (_, behind) = message.split_once("SELECT 2").unwrap_or_default();
        let (between, after) = behind.split_once("SET LOCAL search_path = \"acme\"").unwrap_or_default();
        let places =
            ["RESET ALL", "set_config('lock_timeout', '3000ms', true)", "INSERT INTO"].map(|sql| between.find(sql));
        assert!(places.is_sorted() && places[0].is_some(), "{between}");
        assert!(after.contains("SELECT nmae"));
        Ok(())
    }
}
