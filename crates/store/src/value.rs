//! Values and rows, alike for both databases.
//!
//! Three types are enough and mean the same in SQLite's STRICT tables and in PostgreSQL: whole numbers of
//! 64 bits (also for times in microseconds and for yes/no), text, and bytes (ids, digests).

use palisade_model::id::{FamilyId, KeyId, MailId, SessionId, UserId};
use palisade_model::{TenantId, Timestamp};
use uuid::Uuid;

use crate::StoreError;

/// One value on its way to or from the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

macro_rules! into_value {
    ($($from:ty => |$it:ident| $to:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($it: $from) -> Self { $to }
        }
    )*};
}

into_value! {
    i64 => |it| Self::Int(it);
    bool => |it| Self::Int(i64::from(it));
    &str => |it| Self::Text(it.to_owned());
    &String => |it| Self::Text(it.clone());
    String => |it| Self::Text(it);
    &[u8] => |it| Self::Bytes(it.to_vec());
    Vec<u8> => |it| Self::Bytes(it);
    [u8; 32] => |it| Self::Bytes(it.to_vec());
    &[u8; 32] => |it| Self::Bytes(it.to_vec());
    [u8; 16] => |it| Self::Bytes(it.to_vec());
    Timestamp => |it| Self::Int(it.as_micros());
    Uuid => |it| Self::Bytes(it.as_bytes().to_vec());
    UserId => |it| it.0.into();
    SessionId => |it| it.0.into();
    FamilyId => |it| it.0.into();
    MailId => |it| it.0.into();
    KeyId => |it| it.0.into();
    &TenantId => |it| it.as_str().into();
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of the answer, read from left to right.
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    pub(crate) fn read<T: FromValue>(&mut self) -> Result<T, StoreError> {
        T::from_value(self.0.next().ok_or(StoreError::Corrupt("a row is too short"))?)
    }
}

/// What a column can be read as.
pub(crate) trait FromValue: Sized {
    fn from_value(value: Value) -> Result<Self, StoreError>;
}

impl FromValue for i64 {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Int(number) => Ok(number),
            _ => Err(StoreError::Corrupt("a number was expected")),
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Text(text) => Ok(text),
            _ => Err(StoreError::Corrupt("text was expected")),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(StoreError::Corrupt("bytes were expected")),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            _ => Err(StoreError::Corrupt("0 or 1 was expected")),
        }
    }
}

impl FromValue for u64 {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        Self::try_from(i64::from_value(value)?).map_err(|_| StoreError::Corrupt("a number is negative"))
    }
}

impl FromValue for u32 {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        Self::try_from(i64::from_value(value)?).map_err(|_| StoreError::Corrupt("a number is out of range"))
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        Self::try_from(Vec::from_value(value)?).map_err(|_| StoreError::Corrupt("bytes of another length"))
    }
}

impl FromValue for Timestamp {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        i64::from_value(value).map(Self::from_micros)
    }
}

impl FromValue for TenantId {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        Self::parse(&String::from_value(value)?).ok_or(StoreError::Corrupt("a tenant's name"))
    }
}

macro_rules! ids_from_value {
    ($($id:ident),*) => {$(
        impl FromValue for $id {
            fn from_value(value: Value) -> Result<Self, StoreError> {
                <[u8; 16]>::from_value(value).map(|bytes| Self(Uuid::from_bytes(bytes)))
            }
        }
    )*};
}

ids_from_value!(UserId, SessionId, FamilyId, KeyId, MailId);

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// Text without NUL, which PostgreSQL cannot hold: for text that nobody chose with care, as a user agent.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
/// The first row, for queries that give at most one.
pub(crate) fn first(rows: Vec<Row>) -> Option<Row> {
    rows.into_iter().next()
}
