//! Recovery after a crash: what the catalog shows of a statement that an earlier run began alone, and what to do about
//! it.

use super::Unit;
use super::action::{Action, NewIndex, Relation};
use crate::names::{Ident, Literal};
use crate::set::Migration;
use crate::set::outside::Kind;

impl Action {
    /// A query with one row and one column: whether a schema among these that is not in the session's path has
    /// something that the statement names. `None` if it names nothing.
    pub(crate) fn path_query(&self, schemas: &[&str]) -> Option<String> {
        let Self::CreateIndex(NewIndex { looked_up, .. }) = self else { return None };
        if looked_up.is_empty() {
            return None;
        }
        let list = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| Literal(name).to_string()).collect::<Vec<_>>().join(", ")
        };
        Some(format!(
            "SELECT EXISTS (SELECT FROM (\
             SELECT proname AS name, pronamespace AS schema FROM pg_catalog.pg_proc \
             UNION ALL SELECT opcname, opcnamespace FROM pg_catalog.pg_opclass \
             UNION ALL SELECT collname, collnamespace FROM pg_catalog.pg_collation \
             UNION ALL SELECT typname, typnamespace FROM pg_catalog.pg_type WHERE typtype <> 'c') AS known \
             JOIN pg_catalog.pg_namespace n ON n.oid = known.schema \
             WHERE known.name IN ({}) AND n.nspname IN ({}) AND n.nspname <> ALL (current_schemas(true)))",
            list(&mut looked_up.iter().map(String::as_str)),
            list(&mut schemas.iter().copied()),
        ))
    }

    /// A query with one row and one column: whether the statement's result exists (`done`), exists but is unusable
    /// (`broken`), is half done (`pending`), or does not exist (`open`). `None` if the catalog does not show it by
    /// name, or the statement can simply run again.
    pub(crate) fn progress_query(&self, schema: &str) -> Option<String> {
        match self {
            Self::CreateIndex(NewIndex { name: Some(name), table, .. }) => Some(format!(
                "SELECT coalesce((SELECT CASE WHEN i.indisvalid THEN 'done' WHEN c.relkind = 'i' THEN 'broken' END \
                 FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid \
                 WHERE c.relname = {} AND i.indrelid = to_regclass({})), 'open')",
                Literal(name),
                Literal(&table.qualified(schema)),
            )),
            Self::DropIndex { index, .. } => Some(format!(
                "SELECT CASE WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relname = {} AND n.nspname = {}) THEN 'open' ELSE 'done' END",
                Literal(&index.name),
                Literal(index.schema.as_deref().unwrap_or(schema)),
            )),
            // If the partition does not exist, or never was one, the server refuses the statement.
            Self::Detach { parent, partition } | Self::Finalize { parent, partition } => Some(format!(
                "SELECT coalesce((SELECT CASE WHEN inhdetachpending THEN 'pending' ELSE 'open' END FROM pg_inherits \
                 WHERE inhrelid = to_regclass({partition}) AND inhparent = to_regclass({parent})), \
                 CASE WHEN to_regclass({partition}) IS NULL OR to_regclass({parent}) IS NULL \
                 THEN 'open' ELSE 'done' END)",
                partition = Literal(&partition.qualified(schema)),
                parent = Literal(&parent.qualified(schema)),
            )),
            _ => None,
        }
    }

    /// Whether it has nothing to do when its result exists, no matter which session created that.
    pub(crate) fn is_satisfied_by_what_is_there(&self) -> bool {
        matches!(self, Self::CreateIndex(NewIndex { if_not_exists: true, .. }))
    }

    /// Whether it creates an index whose name the server chooses.
    pub(crate) fn makes_an_unnamed_index(&self) -> bool {
        matches!(self, Self::CreateIndex(NewIndex { name: None, .. }))
    }

    /// A query with one row and one column: whether another session executes the same statement or waits to do so. The
    /// server continues with a statement after its client was killed. Near its end, an index build releases its lock on
    /// the table before it commits, and only the text of its query still shows it.
    pub(crate) fn is_under_way_query(&self, schema: &str) -> String {
        let relations = match self {
            Self::Vacuum { .. } => Vec::new(),
            action => action.relations(),
        };
        let relations: Vec<String> =
            relations.iter().map(|name| format!("to_regclass({})", Literal(&name.qualified(schema)))).collect();
        let locks = if relations.is_empty() {
            "false".to_owned()
        } else {
            format!(
                "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation' \
                 AND l.relation IN ({}) AND l.mode = 'ShareUpdateExclusiveLock')",
                relations.join(", ")
            )
        };
        format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() \
             AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.pid <> pg_backend_pid() \
             AND ({locks} OR a.state = 'active' AND position({} IN a.query) > 0 \
             AND a.query ~* '^(create|drop|reindex|vacuum|analy[sz]e|alter|call|do)\\M'))",
            Literal(&format!("{}.", Ident(schema))),
        )
    }

    /// The statement that removes a broken result before another attempt.
    pub(crate) fn cleanup(&self, schema: &str) -> Option<String> {
        match self {
            Self::CreateIndex(NewIndex { name: Some(name), table, .. }) => {
                let index = Relation { schema: table.schema.clone(), name: name.clone() };
                Some(drop_index(&index.qualified(schema)))
            }
            _ => None,
        }
    }

    /// The statement that completes a half done result.
    pub(crate) fn completion(&self, schema: &str) -> Option<String> {
        match self {
            Self::Detach { parent, partition } => Some(format!(
                "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                parent.qualified(schema),
                partition.qualified(schema)
            )),
            _ => None,
        }
    }

    /// A query for statements that remove what an interrupted `REINDEX` left under names that PostgreSQL generates:
    /// invalid indexes on the same table, named after one of the rebuilt indexes with `_ccnew` or `_ccold` and perhaps
    /// a number after it, and truncated if the name would be too long
    /// (<https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY>).
    pub(crate) fn leftovers_query(&self, schema: &str) -> Option<String> {
        let Self::Reindex { name: Some(name) } = self else { return None };
        Some(format!(
            "SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname) \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND EXISTS (\
             SELECT FROM pg_index j JOIN pg_class base ON base.oid = j.indexrelid \
             WHERE j.indrelid = i.indrelid AND j.indexrelid <> i.indexrelid \
             AND to_regclass({}) IN (j.indexrelid, j.indrelid) \
             AND (regexp_replace(c.relname, '_cc(new|old)[0-9]*$', '') = base.relname \
             OR octet_length(c.relname) >= 60 \
             AND starts_with(base.relname, regexp_replace(c.relname, '_cc(new|old)[0-9]*$', ''))))",
            Literal(&name.qualified(schema))
        ))
    }
}

/// Statements that find an index by its definition, for a transaction that is rolled back.
pub(crate) struct Comparison {
    /// Creates the same index on an empty copy of the table.
    pub(crate) preparation: [String; 2],
    /// A query for the table's indexes with the same definition: the qualified name, and whether the index is valid.
    pub(crate) question: String,
}

impl Unit {
    /// Whether it creates an index whose name the server chooses.
    pub(crate) fn makes_an_unnamed_index(&self) -> bool {
        matches!(&self.kind, Kind::Alone(action) if action.makes_an_unnamed_index())
    }

    /// How to find, by its definition, the index that the unit creates.
    pub(crate) fn comparison(&self, migration: &Migration, schema: &str) -> Option<Comparison> {
        let Kind::Alone(Action::CreateIndex(index)) = &self.kind else { return None };
        let text = migration.sql();
        let (table, copy) = (index.table.qualified(schema), format!("pg_temp.{}", Ident(&index.table.name)));
        // The copy is a temporary table, on which an index cannot be built concurrently in a transaction.
        let on_copy = [
            &text[self.range.start..index.concurrently.start],
            &text[index.concurrently.end..index.table_at.start],
            &copy,
            &text[index.table_at.end..self.range.end],
        ];
        let named = match &index.name {
            Some(name) => format!(" AND c.relname = {}", Literal(name)),
            None => String::new(),
        };
        // The part of the definition after the table's name: ` USING ` comes earlier only inside a quoted name.
        let definition = |index: &str| {
            format!(
                "{index}.indisunique, substr(pg_get_indexdef({index}.indexrelid), \
                 strpos(pg_get_indexdef({index}.indexrelid), ' USING '))"
            )
        };
        let question = format!(
            "SELECT format('%I.%I', n.nspname, c.relname), i.indisvalid \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_index copy ON copy.indrelid = to_regclass({}) \
             WHERE i.indrelid = to_regclass({}){named} AND ({}) = ({}) ORDER BY 2 DESC, 1",
            Literal(&copy),
            Literal(&table),
            definition("i"),
            definition("copy"),
        );
        let create = format!("CREATE TEMPORARY TABLE {} (LIKE {table})", Ident(&index.table.name));
        Some(Comparison { preparation: [create, on_copy.concat()], question })
    }
}

impl Relation {
    fn qualified(&self, schema: &str) -> String {
        format!("{}.{}", Ident(self.schema.as_deref().unwrap_or(schema)), Ident(&self.name))
    }
}

/// The statement that drops an index of this name.
pub(crate) fn drop_index(name: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")
}
