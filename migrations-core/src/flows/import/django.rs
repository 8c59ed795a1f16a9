//! Django: <https://docs.djangoproject.com/en/stable/topics/migrations/>, `django_migrations`.
//!
//! A migration is named by its app and its own name, as in `shop.0001_initial`. Its number orders it within the app
//! only, so it is no version. django-tenants keeps one table in `public` and one in every tenant's schema, and records
//! the migrations of all apps in each, whether or not the app has tables there.

use super::foreign::{Foreign, History, Row, Source, as_name, column};
use crate::report::Refusal;

pub(super) const SOURCE: Source = Source {
    table: "django_migrations",
    columns: &["id", "app", "name", "applied"],
    select: "app || '.' || name, NULL::text, NULL::text, NULL::text",
    order: "id",
    read,
};

fn read(rows: &[Row]) -> Result<History, Refusal> {
    let applied = rows.iter().map(|row| {
        let id = column(row, 0, "app and name")?;
        Ok(Foreign { id: id.to_owned(), names: vec![as_name(id)], ..Foreign::default() })
    });
    Ok(History { applied: applied.collect::<Result<_, _>>()?, left_out: Vec::new() })
}
