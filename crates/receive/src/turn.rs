//! ETRN: mail that waits for a server which is not always there is tried when that server asks for it (RFC 1985).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mail::{EnhancedStatus, Reply, Timestamp};
use smtp::Node;
use spool::Spool;

/// How long the same node has to wait before it may ask again: each time costs a look at the queue, and attempts at a
/// server that perhaps is not there.
const INTERVAL: Duration = Duration::from_secs(30);
/// How many nodes may ask within that time.
const NODES_MAX: usize = 1000;

const NOTHING: Reply = Reply::fixed(251, (2, 0, 0), "No messages are waiting");
const STARTED: Reply = Reply::fixed(252, (2, 0, 0), "Pending deliveries started");
const TOO_SOON: Reply = Reply::fixed(458, (4, 7, 0), "Asked for a moment ago; try again later");
const NOT_NOW: Reply = Reply::fixed(458, (4, 3, 0), "Unable to start the queue; try again later");
const NO_QUEUES: Reply =
    Reply::fixed(459, (4, 7, 1), "Not allowed: queues have no names here, ask for a domain");

/// Who asked when.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Node, Timestamp>>);

impl Turns {
    /// Makes due what waits for the node, if it may ask now.
    pub(crate) fn ask(&self, spool: &Spool, node: Node, now: Timestamp) -> Reply {
        match node {
            Node::Queue(_) => NO_QUEUES,
            _ if spool.is_poisoned() => NOT_NOW,
            node if !self.may_ask(node.clone(), now) => TOO_SOON,
            node => started(retry(spool, &node, now)),
        }
    }

    fn may_ask(&self, node: Node, now: Timestamp) -> bool {
        // Nothing is left half done under this lock.
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A time to come is one from before the clock was set back.
        asked.retain(|_, at| *at <= now && now.since(*at) < INTERVAL);
        if asked.len() >= NODES_MAX || asked.contains_key(&node) {
            return false;
        }
        asked.insert(node, now);
        true
    }
}

/// Makes due what waits; how many recipients. None: nothing is there for the node.
fn retry(spool: &Spool, node: &Node, now: Timestamp) -> Option<usize> {
    let domains = spool.waiting_domains(|domain| node.has(domain));
    let retried = domains.iter().map(|domain| spool.retry_domain(domain, now));
    retried.reduce(|a, b| a + b)
}

fn started(recipients: Option<usize>) -> Reply {
    match recipients {
        None => NOTHING,
        // All of it was due, or is on its way.
        Some(0) => STARTED,
        Some(recipients) => {
            let text = format!("{recipients} pending deliveries started");
            Reply::new(253, EnhancedStatus::new(2, 0, 0), text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> Node {
        Node::Below(mail::Domain::parse(&format!("n{number}.example")).unwrap())
    }

    #[test]
    fn a_node_may_ask_again_after_a_while() {
        let (turns, begun) = (Turns::default(), Timestamp::from_millis(1_000_000));
        assert!(turns.may_ask(node(1), begun));
        assert!(!turns.may_ask(node(1), begun));
        assert!(turns.may_ask(node(2), begun));
        assert!(!turns.may_ask(node(1), Timestamp::from_millis(1_029_999)));
        assert!(turns.may_ask(node(1), Timestamp::from_millis(1_030_000)));
        assert!(turns.may_ask(node(1), Timestamp::from_millis(500_000)), "the clock was set back");
    }

    #[test]
    fn many_nodes_cost_no_more_than_their_number() {
        let (turns, now) = (Turns::default(), Timestamp::from_millis(1_000_000));
        assert!((0..NODES_MAX).all(|number| turns.may_ask(node(number), now)));
        assert!(!turns.may_ask(node(NODES_MAX), now));
        assert!(turns.may_ask(node(NODES_MAX), Timestamp::from_millis(1_030_000)));
    }
}
