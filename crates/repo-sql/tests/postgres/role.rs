//! A user of its own for a test: its connections can be counted, its settings
//! and rights are nobody else's.

use serde_json::{Value as Json, json};

use super::{PostgresPlace, remove, tool};

/// A role that may log in, removed on drop.
pub(crate) struct Role {
    pub(crate) name: String,
}

/// What no error may show.
pub(crate) const PASSWORD: &str = "hunter2-of-the-tests";

impl Role {
    /// A role without any rights.
    pub(crate) async fn new() -> Self {
        let name = format!("r{:016x}", fastrand::u64(..));
        let make = format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'");
        tool().await.batch_execute(&make).await.unwrap();
        Self { name }
    }

    /// A role that may do everything in `place`, which it makes.
    pub(crate) async fn owner_of(place: &PostgresPlace) -> Self {
        let role = Self::new().await;
        let make = format!("CREATE SCHEMA {} AUTHORIZATION {}", place.schema, role.name);
        tool().await.batch_execute(&make).await.unwrap();
        role
    }

    /// Further settings, with which a store logs in as this role.
    pub(crate) fn with(&self, further: &Json) -> Json {
        let mut settings = json!({ "username": self.name, "password": PASSWORD });
        settings.as_object_mut().unwrap().extend(further.as_object().cloned().unwrap_or_default());
        settings
    }

    /// What every connection of the role begins with.
    pub(crate) async fn set(&self, setting: &str) {
        let sql = format!("ALTER ROLE {} SET {setting}", self.name);
        tool().await.batch_execute(&sql).await.unwrap();
    }

    /// A condition on `pg_stat_activity` for its connections.
    pub(crate) fn sessions(&self) -> String {
        format!("usename = '{}' AND application_name = 'repository'", self.name)
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let name = &self.name;
        remove(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'; \
             DROP OWNED BY {name} CASCADE; DROP ROLE {name}"
        ));
    }
}
