//! ETRN (RFC 1985): a server that is not always there asks for the mail that waits for it.

use std::fmt;

use mail::Domain;

use super::{Command, CommandError};

/// Whose mail ETRN asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// `example.org`: mail for this domain.
    Domain(Domain),
    /// `@example.org`: mail for this domain and all below it.
    Below(Domain),
    /// `#name`: a queue that the two servers have agreed on.
    Queue(Box<str>),
}

impl Node {
    /// Whether it asks for mail for that domain.
    pub fn has(&self, domain: &Domain) -> bool {
        match self {
            Self::Domain(node) => node == domain,
            Self::Below(node) => node == domain || is_below(node, domain),
            Self::Queue(_) => false,
        }
    }
}

fn is_below(node: &Domain, domain: &Domain) -> bool {
    let (Some(node), Some(domain)) = (node.name(), domain.name()) else { return false };
    domain.strip_suffix(node).is_some_and(|labels| labels.ends_with('.'))
}

/// `etrn = "ETRN" SP ["@" / "#"] node CRLF`
pub(super) fn parse_etrn(argument: &str) -> Result<Command, CommandError> {
    let domain = |name| Domain::parse(name).map_err(|_| CommandError::Node);
    let node = match argument.split_at_checked(1) {
        None => return Err(CommandError::Node),
        Some(("@", name)) => {
            Node::Below(domain(name).ok().filter(|d| d.name().is_some()).ok_or(CommandError::Node)?)
        }
        Some(("#", name)) if !name.is_empty() && !name.contains(' ') => Node::Queue(name.into()),
        Some(_) => Node::Domain(domain(argument)?),
    };
    Ok(Command::Etrn(node))
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Below(domain) => write!(f, "@{domain}"),
            Self::Queue(name) => write!(f, "#{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(argument: &str) -> Option<Node> {
        match parse_etrn(argument) {
            Ok(Command::Etrn(node)) => Some(node),
            _ => None,
        }
    }

    #[test]
    fn a_node_is_a_domain_all_below_one_or_a_queue() {
        let domain: Domain = Domain::parse("example.org").unwrap();
        assert_eq!(node("Example.org"), Some(Node::Domain(domain.clone())));
        assert_eq!(node("@example.ORG"), Some(Node::Below(domain)));
        assert_eq!(node("#uucp"), Some(Node::Queue("uucp".into())));
        assert!(matches!(node("[192.0.2.1]"), Some(Node::Domain(_))));
        for wrong in ["", "@", "#", "#a b", "a b", "-a-", "@[192.0.2.1]", "@@a.example", "é é"] {
            assert_eq!(node(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_node_has_what_it_names_and_no_more() {
        for (asked, domain, has) in [
            ("example.org", "example.org", true),
            ("example.org", "a.example.org", false),
            ("@example.org", "example.org", true),
            ("@example.org", "a.b.example.org", true),
            ("@example.org", "badexample.org", false),
            ("@a.example.org", "example.org", false),
            ("#example.org", "example.org", false),
            ("[192.0.2.1]", "[192.0.2.1]", true),
        ] {
            assert_eq!(node(asked).unwrap().has(&Domain::parse(domain).unwrap()), has, "{asked} {domain}");
        }
    }
}
