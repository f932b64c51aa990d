//! The paths of pages. Ids are in queries: a step of a path may not be `..`.

use form_urlencoded::Serializer;

/// A path with parameters; those without a value are left out.
pub(super) fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let query = Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The documents of a collection; `query` as [`with_query`] writes it.
pub(super) fn collection(name: &str, query: &str) -> String {
    let path = format!("/console/c/{name}");
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// A page of one document; `back` is the query of the list that it was found in.
pub(super) fn document(name: &str, page: &str, id: &str, back: &str) -> String {
    with_query(&format!("/console/c/{name}/{page}"), &[("id", id), ("back", back)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_get_out_of_their_parameter() {
        let link = document("items", "document", "../a&b=\"c\"", "filter=%7B%7D");
        let expected = "/console/c/items/document?id=..%2Fa%26b%3D%22c%22&back=filter%3D%257B%257D";
        assert_eq!(link, expected);
        assert_eq!(collection("items", ""), "/console/c/items");
    }
}
