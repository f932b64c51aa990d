//! A statement with its values, in the form in which diesel prepares it once
//! on each connection and keeps it.

use std::io::Write as _;
use std::sync::Arc;

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{Array, BigInt, Double, Jsonb, Nullable, Text, Untyped};
use diesel::{QueryResult, serialize};
use repo_core::Document;

use crate::bind::Param;
use crate::dialect::MARK;

/// Most values of a statement that was made for one call and is kept prepared
/// all the same. Filters of few parts come again; there is no end of long ones,
/// and each would stay with every connection.
const MOST_KEPT_VALUES: usize = 16;

/// SQL with marks where its values belong.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    sql: Arc<str>,
    values: Vec<SqlValue>,
    kept: bool,
}

/// A value that is sent beside the statement.
#[derive(Debug, Clone)]
pub(super) enum SqlValue {
    Text(String),
    Number(i64),
    Real(f64),
    Json(Option<JsonText>),
    Texts(Vec<String>),
    Numbers(Vec<i64>),
    Jsons(Vec<Option<JsonText>>),
}

/// A document as `jsonb`, from its text.
#[derive(Debug, Clone)]
pub(super) struct JsonText(pub(super) Document);

impl ToSql<Jsonb, Pg> for JsonText {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        // The version of the binary form, then the text.
        out.write_all(&[1])?;
        out.write_all(self.0.as_str().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl Statement {
    pub(super) fn new(sql: &Arc<str>, values: impl IntoIterator<Item = SqlValue>) -> Self {
        Self { sql: Arc::clone(sql), values: values.into_iter().collect(), kept: true }
    }

    /// A statement that was made for this call.
    pub(super) fn made(sql: String, values: impl IntoIterator<Item = SqlValue>) -> Self {
        let values: Vec<SqlValue> = values.into_iter().collect();
        Self { sql: sql.into(), kept: values.len() <= MOST_KEPT_VALUES, values }
    }

    /// The statement that runs this one and answers how, as one JSON text.
    pub(super) fn analyzed(&self) -> Self {
        let sql = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {}", self.sql);
        Self { sql: sql.into(), values: self.values.clone(), kept: false }
    }
}

impl From<Param> for SqlValue {
    fn from(param: Param) -> Self {
        match param {
            Param::Text(text) => Self::Text(text),
            Param::Integer(number) => Self::Number(number),
            Param::Real(number) => Self::Real(number),
            Param::Texts(texts) => Self::Texts(texts),
        }
    }
}

impl SqlValue {
    fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Self::Text(text) => out.push_bind_param::<Text, _>(text),
            Self::Number(number) => out.push_bind_param::<BigInt, _>(number),
            Self::Real(number) => out.push_bind_param::<Double, _>(number),
            Self::Json(json) => out.push_bind_param::<Nullable<Jsonb>, _>(json),
            Self::Texts(texts) => out.push_bind_param::<Array<Text>, _>(texts),
            Self::Numbers(numbers) => out.push_bind_param::<Array<BigInt>, _>(numbers),
            Self::Jsons(jsons) => out.push_bind_param::<Array<Nullable<Jsonb>>, _>(jsons),
        }
    }
}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if !self.kept {
            out.unsafe_to_cache_prepared();
        }
        for (at, part) in self.sql.split(MARK).enumerate() {
            if at.is_multiple_of(2) {
                out.push_sql(part);
                continue;
            }
            let number: Option<usize> = part.parse().ok();
            match number.and_then(|number| self.values.get(number.checked_sub(1)?)) {
                Some(value) => value.bind(&mut out)?,
                None => {
                    return Err(diesel::result::Error::QueryBuilderError(
                        format!("a statement names the value {part}, which it does not have")
                            .into(),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Kept by its text, since there are as many as there are collections.
impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}
