//! One row for every run that did something.

use postgres::Client;
use postgres::types::{ToSql, Type};

use super::layout::Layout;
use crate::report::{Error, Report};

/// Records a run. Its commit is synchronous, whatever the server's default is: when it returns, every tenant that was
/// committed before it is on disk too.
pub(crate) fn record_run(
    client: &mut Client,
    layout: &Layout,
    report: &Report,
    stopped_by: Option<&Error>,
) -> Result<(), Error> {
    let outcome = match (stopped_by, report.is_success()) {
        (Some(_), _) => "failure",
        (None, true) => "success",
        (None, false) => "partial",
    };
    let mut failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    failures.extend(stopped_by.map(ToString::to_string));
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let parameters: [(&(dyn ToSql + Sync), Type); 9] = [
        (&i64::try_from(report.elapsed.as_micros()).unwrap_or(i64::MAX), Type::INT8),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        (&outcome, Type::TEXT),
        (&count(report.shared.applied.len()), Type::INT4),
        (&count(report.tenants.created), Type::INT4),
        (&count(report.tenants.migrated), Type::INT4),
        (&count(report.tenants.failed), Type::INT4),
        (&count(report.tenants.busy), Type::INT4),
        (&failures, Type::TEXT_ARRAY),
    ];
    let query = layout.sql(include_str!("sql/record_run.sql"), &[]);
    client.query_typed(&query, &parameters).map(|_| ()).map_err(|error| Error::from_driver("recording the run", &error))
}
