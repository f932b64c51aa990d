//! The id by which a store is known, however it is named.

use crate::strategy::random_id::random_id;

random_id! {
    /// A random id of 128 bits that [`prepare`](crate::strategy::StorageStrategy::prepare)
    /// gives to a store. Written as 32 lower-case hexadecimal digits.
    ///
    /// Two stores that were made have different ids. A store that was copied has
    /// the id of the one it was copied from, so equal ids alone do not say that
    /// two handles are on one store.
    ///
    /// ```
    /// use repo_core::strategy::StoreId;
    ///
    /// let id: StoreId = "0123456789abcdef0123456789abcdef".parse().unwrap();
    /// assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
    /// assert!("0123".parse::<StoreId>().is_err());
    /// ```
    StoreId, "store"
}

#[cfg(test)]
mod tests {
    use crate::ErrorKind;

    use super::*;

    #[test]
    fn text_and_bytes_are_one_id() {
        let id = StoreId::random().unwrap();
        assert_eq!(id.to_string().parse::<StoreId>().unwrap(), id);
        assert_eq!(StoreId::from_bytes(id.to_bytes()), id);
        assert_ne!(StoreId::random().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<StoreId>(&json).unwrap(), id);
    }

    #[test]
    fn anything_else_is_refused() {
        let id = "0123456789abcdef0123456789abcdef";
        for wrong in ["", &id[1..], &format!("{id}0"), &id.to_uppercase(), &id.replace('0', "é")] {
            assert_eq!(wrong.parse::<StoreId>().unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert!(serde_json::from_str::<StoreId>("\"x\"").is_err());
    }
}
