//! Fields of a request, taken one by one; what nobody takes is kept.

use axum::http::StatusCode;
use repo_core::EntityId;
use repo_data::model::{Fields, Json};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The fields of a JSON object. Values stay text until they are taken, so that numbers that
/// are kept stay exact.
#[derive(Debug, Default)]
pub struct Taken(Fields);

impl Taken {
    /// Reads an object.
    ///
    /// # Errors
    /// 400 for text that is no JSON, 422 for one that is no object or breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ApiError::bad_request("the body is not UTF-8"))?;
        let fields: Fields = super::extract::read_json(text.as_bytes())?;
        // A key that stands twice, U+0000, too many digits: what no store keeps.
        Json::parse(text)
            .map_err(|error| ApiError::from(error).with_status(StatusCode::UNPROCESSABLE_ENTITY))?;
        Ok(Self(fields))
    }

    /// A field; `None` for one that is missing or null.
    ///
    /// # Errors
    /// 422 for one of another type.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(json) = self.json(name) else { return Ok(None) };
        serde_json::from_str(json.as_str()).map(Some).map_err(|error| {
            let why = format!("the field `{name}` cannot be read: {error}");
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why).with("field", name)
        })
    }

    /// The same for one that has to be there.
    ///
    /// # Errors
    /// 422.
    pub fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ApiError> {
        self.take(name)?.ok_or_else(|| {
            let why = format!("the field `{name}` is missing");
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why).with("field", name)
        })
    }

    /// An id.
    ///
    /// # Errors
    /// 422 for what is none.
    pub fn id(&mut self, name: &str) -> Result<Option<EntityId>, ApiError> {
        self.take(name)
    }

    /// A field as it is; `None` for one that is missing or null.
    pub fn json(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).filter(|json| json.as_str() != "null")
    }

    /// A field as it is, be it null.
    pub fn json_or_null(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name)
    }

    /// Whether a field is there, be it null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What was not taken.
    #[must_use]
    pub fn rest(self) -> Fields {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_kept_stay_exact() {
        let mut taken = Taken::parse(br#"{"a":1,"b":null,"n":1.10,"id":"x"}"#).unwrap();
        assert_eq!(taken.take::<u64>("a").unwrap(), Some(1));
        assert_eq!(taken.take::<u64>("b").unwrap(), None);
        assert_eq!(taken.id("id").unwrap().unwrap().as_str(), "x");
        assert!(taken.need::<String>("name").is_err());
        assert_eq!(taken.rest()["n"].as_str(), "1.10");
        for bad in ["[]", "{\"a\":1,\"a\":2}", "{", "1", "{\"a\":\"\\u0000\"}"] {
            assert!(Taken::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
