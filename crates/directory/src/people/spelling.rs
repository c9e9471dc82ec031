//! The one spelling of a name by which it is kept and compared: domains in ASCII, all in lower case.

use mail::{Address, Domain};

use super::PeopleError;
use crate::{Problem, in_ascii};

/// An address.
pub(crate) fn address(text: &str) -> Result<String, Problem> {
    let bad = |error| Problem::BadAddress { text: text.to_owned(), error };
    let address = Address::parse(text).map_err(bad)?;
    let domain = in_ascii(address.domain().clone()).unwrap_or_else(|| address.domain().clone());
    let spelled = Address::new(&address.local_part().to_ascii_lowercase(), domain).map_err(bad)?;
    Ok(spelled.to_string())
}

/// Several.
pub(crate) fn addresses(texts: &[String]) -> Result<Vec<String>, PeopleError> {
    texts.iter().map(|text| address(text).map_err(PeopleError::Wrong)).collect()
}

/// A domain.
pub(crate) fn domain(text: &str) -> Result<String, Problem> {
    let domain = Domain::parse(text).map_err(|error| Problem::BadDomain { text: text.to_owned(), error })?;
    Ok(in_ascii(domain.clone()).unwrap_or(domain).to_string().to_ascii_lowercase())
}

/// The spelling by which an address or a domain is kept and compared; what is neither is nobody's name, and stays as it is.
pub fn or_as_it_is(text: &str) -> String {
    address(text).or_else(|_| domain(text)).unwrap_or_else(|_| text.to_owned())
}
