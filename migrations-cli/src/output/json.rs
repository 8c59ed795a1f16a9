//! The parts of JSON objects that several commands share. Keys are never removed or renamed: programs rely on them.

use std::time::{Duration, SystemTime};

use migrations_core::{Domain, Failure, SchemaStatus, Tenant};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::text;
use crate::advice::Advice;
use crate::error::Error;

/// The object of a command that failed.
#[derive(Serialize)]
pub(crate) struct Failed {
    error: ErrorObject,
}

/// An error. The fields of the place are present only if a schema failed.
#[derive(Serialize)]
pub(crate) struct ErrorObject {
    message: String,
    sqlstate: Option<String>,
    #[serde(flatten)]
    place: Option<Place>,
}

/// Why one schema was not migrated.
#[derive(Serialize)]
pub(crate) struct FailureObject {
    message: String,
    sqlstate: Option<String>,
    #[serde(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Place {
    set: String,
    tenant: Option<String>,
    /// The tenant's.
    schema: Option<String>,
    migration: Option<String>,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    detail: Option<String>,
    hint: Option<String>,
    /// The whole failure, as in text output.
    text: String,
}

/// A tenant as the registry knows it.
#[derive(Serialize)]
pub(crate) struct TenantObject {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) schema: String,
    pub(crate) display_name: Option<String>,
    pub(crate) status: String,
    pub(crate) version: Option<i64>,
    pub(crate) created_at: String,
    pub(crate) migrated_at: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) domains: Vec<DomainObject>,
    pub(crate) metadata: Option<Box<RawValue>>,
}

#[derive(Serialize)]
pub(crate) struct DomainObject {
    pub(crate) host: String,
    pub(crate) is_primary: bool,
}

/// The state of a schema.
#[derive(Serialize)]
pub(crate) struct SchemaObject {
    pub(crate) version: Option<i64>,
    pub(crate) latest: Option<i64>,
    pub(crate) state: &'static str,
    pub(crate) pending: Vec<String>,
    pub(crate) problem: Option<String>,
}

impl Failed {
    pub(crate) fn of(error: &Error, advice: &Advice) -> Self {
        Self { error: ErrorObject::of(error, advice) }
    }

    pub(crate) fn of_message(message: String) -> Self {
        Self { error: ErrorObject { message, sqlstate: None, place: None } }
    }
}

impl ErrorObject {
    pub(crate) fn of(error: &Error, advice: &Advice) -> Self {
        let sqlstate = match error {
            Error::Core(migrations_core::Error::Failed(failure)) => {
                let FailureObject { message, sqlstate, place } = FailureObject::of(failure, advice);
                return Self { message, sqlstate, place: Some(place) };
            }
            Error::Core(error) => error.sqlstate().map(str::to_owned),
            _ => None,
        };
        Self { message: advice.error(error), sqlstate, place: None }
    }
}

impl FailureObject {
    pub(crate) fn of(failure: &Failure, advice: &Advice) -> Self {
        let (excerpt, server) = (failure.excerpt(), failure.server());
        Self {
            message: failure.message(),
            sqlstate: server.map(|server| server.sqlstate().to_owned()),
            place: Place {
                set: failure.set().to_string(),
                tenant: failure.tenant().map(ToString::to_string),
                schema: failure.schema().map(|schema| schema.as_str().to_owned()),
                migration: failure.migration().map(str::to_owned),
                file: excerpt.map(|excerpt| excerpt.file().to_owned()),
                line: excerpt.map(migrations_core::Excerpt::line),
                column: excerpt.map(migrations_core::Excerpt::column),
                detail: server.and_then(|server| server.detail()).map(str::to_owned),
                hint: server.and_then(|server| server.hint()).map(str::to_owned),
                text: advice.failure(failure),
            },
        }
    }
}

impl TenantObject {
    pub(crate) fn of(tenant: Tenant) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name.to_string(),
            schema: tenant.schema.as_str().to_owned(),
            display_name: tenant.display_name,
            status: tenant.status,
            version: tenant.version,
            created_at: rfc3339(tenant.created_at),
            migrated_at: tenant.migrated_at.map(rfc3339),
            last_error: tenant.last_error,
            domains: tenant.domains.into_iter().map(DomainObject::of).collect(),
            metadata: raw(&tenant.metadata),
        }
    }
}

impl TenantObject {
    /// The tenant, for people.
    pub(crate) fn shown(&self) -> String {
        text::tenant(&self.name, &self.schema)
    }
}

impl DomainObject {
    fn of(domain: Domain) -> Self {
        Self { host: domain.host, is_primary: domain.is_primary }
    }
}

impl SchemaObject {
    pub(crate) fn of(schema: SchemaStatus) -> Self {
        Self {
            version: schema.version,
            latest: schema.latest,
            state: schema.state.as_str(),
            pending: schema.pending,
            problem: schema.problem,
        }
    }
}

/// A duration in whole milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// JSON as the database has it; any other text as a string.
fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).or_else(|_| to_raw_value(json)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_keeps_its_digits() -> Result<(), serde_json::Error> {
        let json = r#"{"credit": 12345678901234567890.10, "a": null}"#;
        assert_eq!(serde_json::to_string(&raw(json))?, json);
        assert_eq!(serde_json::to_string(&raw("not json"))?, r#""not json""#);
        Ok(())
    }
}
