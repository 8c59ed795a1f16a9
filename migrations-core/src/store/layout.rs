//! The schemas of the registry and of the shared tables, and the values of SQL templates.

use std::fmt::Display;

use crate::names::{Ident, Member, SchemaName, TenantName, fill};
use crate::report::Error;

/// The beginning of every transaction of the framework's own. A snapshot older than the lock would let a stale plan
/// pass. Names in the statements mean PostgreSQL's own objects, even if somebody has created an operator or a function
/// in `public` that would match a call better.
pub(crate) const BEGINNING: [&str; 2] =
    ["SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET LOCAL search_path = pg_catalog, pg_temp"];

/// What the names with the reserved prefix are for.
const POOL: &str = "pool of spare schemas";

/// Refuses a tenant's name that spare schemas are listed under.
pub(crate) fn check_name(name: &TenantName) -> Result<(), Error> {
    if name.is_spare() {
        return Err(Error::NameInUse(name.clone(), POOL));
    }
    Ok(())
}

/// The schemas that the framework uses.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) registry: SchemaName,
    pub(crate) shared: SchemaName,
}

impl Layout {
    /// A table of the registry, qualified and quoted.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.{}", Ident(self.registry.as_str()), Ident(name))
    }

    /// A statement: the template with the registry's tables and these values filled in.
    pub(super) fn sql(&self, template: &str, values: &[(&str, &dyn Display)]) -> String {
        let tables = ["sets", "tenants", "tenant_domains", "runs", "leases"].map(|name| (name, self.table(name)));
        let members = self.members();
        let mut all: Vec<(&str, &dyn Display)> = tables.iter().map(|(name, table)| (*name, table as _)).collect();
        all.push(("members", &members));
        all.extend(values);
        fill(template, &all)
    }

    /// The registry's rows, as `t`, with the tenant's name in one more column. A registry that an older binary created
    /// has no column for names: there, the unqualified name means the outer query's NULL. PostgreSQL plans both as if
    /// the table stood here itself, so that a condition on the name uses its index.
    fn members(&self) -> String {
        format!(
            "(SELECT NULL::text AS tenant_name) AS older CROSS JOIN LATERAL (\
             SELECT r.*, coalesce(tenant_name, r.schema_name::text) AS known_as FROM {} AS r) AS t",
            self.table("tenants")
        )
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.registry == self.shared {
            return Err(Error::OneSchema(self.registry.to_string()));
        }
        Ok(())
    }

    /// The tenant of this name in this schema, unless the schema is not one that a tenant can have.
    pub(crate) fn member(&self, name: &TenantName, schema: SchemaName) -> Result<Member, Error> {
        let member = Member::new(name.clone(), schema);
        if member.is_spare() {
            return Err(Error::in_use(&member, POOL));
        }
        self.unless_ours(member)
    }

    /// What a row of the registry names: a tenant, a spare schema or an unfinished one.
    pub(super) fn registered(&self, name: &str, schema: &str) -> Result<Member, Error> {
        let schema: SchemaName = schema.parse()?;
        let member = if schema.is_spare() { Member::of(schema) } else { Member::new(name.parse()?, schema) };
        self.unless_ours(member)
    }

    fn unless_ours(&self, member: Member) -> Result<Member, Error> {
        let public = SchemaName::literal("public");
        let ours =
            [(&self.registry, "registry"), (&self.shared, "shared set"), (&public, "objects that belong to no tenant")];
        match ours.into_iter().find(|(schema, _)| **schema == member.schema) {
            Some((_, used_by)) => Err(Error::in_use(&member, used_by)),
            None => Ok(member),
        }
    }
}

#[cfg(test)]
mod tests {
    /// Every placeholder of a statement is filled by the file that includes it, or names a table.
    #[test]
    #[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    fn every_place_of_every_statement_is_filled() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
        let files = |folder: &std::path::Path| {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries
                .filter(|path| path.is_file())
                .map(|path| {
                    let text = std::fs::read_to_string(&path).unwrap();
                    (path.file_name().unwrap().to_string_lossy().into_owned(), text)
                })
                .collect::<Vec<_>>()
        };
        let modules = files(&folder);
        for (name, sql) in files(&folder.join("sql")) {
            let users: Vec<_> = modules.iter().filter(|(_, text)| text.contains(&format!("sql/{name}\""))).collect();
            assert_eq!(users.len(), 1, "{name} is used by one module");
            let mut rest = sql.as_str();
            while let Some((_, behind)) = rest.split_once('%') {
                let length = behind.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(behind.len());
                let key = &behind[..length];
                let is_place = length > 0 && behind[length..].starts_with('%');
                let is_table = ["sets", "tenants", "tenant_domains", "runs", "leases", "members"].contains(&key);
                assert!(
                    !is_place || is_table || users[0].1.contains(&format!("(\"{key}\", ")),
                    "{name}: nothing fills %{key}%"
                );
                rest = if is_place { &behind[length + 1..] } else { behind };
            }
        }
    }
}
