//! What the checks ask the DNS once all of a message is here.

use std::net::IpAddr;

use dns::Resolve;
use message_auth::{DomainName, NoAuthor, arc, dkim, dmarc, results::Finding, spf};

use super::{
    Begun, Bringer,
    facts::{Facts, Sender, signers, unsure_signers},
    patient::Patient,
};
use crate::rules::ResultWord;

/// Names of a client that are confirmed (RFC 8601 §2.7.3).
const NAMES_MAX: usize = 5;
const TOO_LONG: &str = "header section is too long";

/// Asks all of it side by side, but last whether DMARC takes for the author's what was found. The findings are in the order in which they are told.
pub(super) async fn ask(
    begun: Begun,
    bringer: &Bringer<'_>,
    hostname: &str,
    now: u64,
    resolver: &Patient,
) -> (Facts, Vec<Finding>) {
    let Begun { author, from_list, signed } = begun;
    // The policy beside all others: whoever lets us wait for keys of his own must not use up the time to ask for it.
    let ((sender, mut findings), reverse, signed, policy) = tokio::join!(
        sender(bringer, hostname, now, resolver),
        reverse(bringer.client, resolver),
        signatures(signed, resolver),
        policy(author.as_ref().ok(), resolver),
    );
    let (reverse, name) = reverse;
    let is_read = signed.is_some();
    let (signatures, chain) = signed.unwrap_or_default();
    let mut facts = Facts {
        client: bringer.client,
        author,
        from_list,
        sender,
        signatures,
        dmarc: None,
        aligned: Vec::new(),
        arc: chain,
        reverse,
    };
    if is_read {
        findings.push(of_author(&mut facts, policy, resolver).await);
        findings.extend(facts.arc.as_ref().map(Finding::of_arc));
        findings.push(name);
        if facts.signatures.is_empty() {
            findings.push(Finding::new("dkim", "none"));
        }
        findings.extend(facts.signatures.iter().map(Finding::of_dkim));
    } else {
        let unread = |method| Finding::new(method, "permerror").because(Some(TOO_LONG));
        findings.extend([unread("dmarc"), name, unread("dkim")]);
    }
    (facts, findings)
}

/// SPF of the reverse-path, and of the client's own name (RFC 7208 §2.3, §2.4): that one counts where there is no reverse-path.
async fn sender(
    bringer: &Bringer<'_>,
    hostname: &str,
    now: u64,
    resolver: &Patient,
) -> (Sender, Vec<Finding>) {
    let hello = bringer.hello.and_then(DomainName::parse);
    let address = bringer.reverse_path.address();
    let path = address.and_then(|address| DomainName::parse(address.domain().name()?));
    let local = address.map(|address| address.local_part().to_string());
    let query = |domain: &DomainName, local_part: Option<&str>| {
        let domain = domain.as_str().to_owned();
        let local_part = local_part.map(str::to_owned);
        async move {
            let query = spf::Query {
                client: bringer.client,
                helo: bringer.hello.unwrap_or_default(),
                local_part: local_part.as_deref(),
                domain: &domain,
                receiver: hostname,
                now,
            };
            spf::check(query, resolver).await
        }
    };
    let (by_path, by_hello) = tokio::join!(
        async {
            match &path {
                Some(domain) => Some(query(domain, local.as_deref()).await),
                None => None,
            }
        },
        async {
            match &hello {
                Some(domain) => Some(query(domain, None).await),
                None => None,
            }
        },
    );
    let mut findings = Vec::new();
    if let (Some(verdict), Some(address)) = (&by_path, address) {
        findings.push(Finding::of_spf(verdict, "smtp.mailfrom", &address.to_string()));
    }
    if let (Some(verdict), Some(hello)) = (&by_hello, &hello)
        && (address.is_none() || verdict.result != spf::SpfResult::None)
    {
        findings.push(Finding::of_spf(verdict, "smtp.helo", hello.as_str()));
    }
    if findings.is_empty() {
        findings.push(Finding::new("spf", "none").because(Some("no domain to ask")));
    }
    let result = |verdict: spf::Verdict| verdict.result;
    let sender = Sender {
        by_path: path.zip(by_path.map(result)),
        by_hello: hello.zip(by_hello.map(result)),
        null: address.is_none(),
    };
    (sender, findings)
}

/// Whether a name of the client leads back to it (RFC 8601 §2.7.3).
async fn reverse(client: IpAddr, resolver: &Patient) -> (ResultWord, Finding) {
    let names = match resolver.ptr(client).await {
        Ok(answer) => answer.records,
        Err(error) if error.is_temporary() => return reversed(ResultWord::TempError, client),
        Err(_) => return reversed(ResultWord::PermError, client),
    };
    let mut result = ResultWord::Fail;
    for name in names.iter().take(NAMES_MAX) {
        match resolver.addresses(name).await {
            Ok(answer) if answer.records.contains(&client) => {
                let (result, finding) = reversed(ResultWord::Pass, client);
                return (result, finding.because(Some(name)));
            }
            Err(error) if error.is_temporary() => result = ResultWord::TempError,
            _ => {}
        }
    }
    reversed(result, client)
}

fn reversed(result: ResultWord, client: IpAddr) -> (ResultWord, Finding) {
    (result, Finding::new("iprev", result.name()).with("policy.iprev", &client.to_string()))
}

/// What was signed, and the chain if there is one. None: nothing of it was read.
async fn signatures(
    signed: Option<(dkim::Verifier, arc::Verifier)>,
    resolver: &Patient,
) -> Option<(Vec<dkim::Outcome>, Option<arc::Outcome>)> {
    let (dkim, arc) = signed?;
    let (signatures, chain) = tokio::join!(dkim.conclude(resolver), arc.conclude(resolver));
    Some((signatures, Some(chain).filter(|chain| chain.status != arc::ChainStatus::None)))
}

/// What the author's domain asks for where nothing speaks for the author.
async fn policy(author: Option<&DomainName>, resolver: &Patient) -> Option<dmarc::Verdict> {
    Some(dmarc::check(dmarc::Evidence { author: author?, spf: None, dkim: &[] }, resolver).await)
}

/// Whether the message is its author's (RFC 9989). Where that cannot be said for want of an answer about who sent or signed it, what the author's domain
/// asks for stands by it if it is known.
async fn of_author(facts: &mut Facts, policy: Option<dmarc::Verdict>, resolver: &Patient) -> Finding {
    let author = match &facts.author {
        Ok(author) => author,
        Err(why @ (NoAuthor::None | NoAuthor::Ambiguous)) => return Finding::of_dmarc(Err(*why), None),
    };
    let by_closeness = |mut signers: Vec<DomainName>| {
        // Only the first few are looked at.
        signers.sort_by_key(|signer| signer != author);
        signers.dedup();
        signers
    };
    let signers = by_closeness(signers(&facts.signatures).collect());
    let open = by_closeness(unsure_signers(&facts.signatures).collect());
    let evidence = dmarc::Evidence { author, spf: facts.sender.passed(), dkim: &signers };
    let open = dmarc::Evidence { author, spf: facts.sender.open(), dkim: &open };
    let mut verdict = dmarc::check_unsure(evidence, open, resolver).await;
    if verdict.result == dmarc::DmarcResult::TempError
        && let Some(policy) = policy.filter(|policy| policy.result == dmarc::DmarcResult::Fail)
    {
        verdict = dmarc::Verdict { result: verdict.result, problem: verdict.problem, ..policy };
    }
    let finding = Finding::of_dmarc(Ok(author), Some(&verdict));
    facts.aligned = verdict.dkim_aligned.iter().filter_map(|number| signers.get(*number).cloned()).collect();
    facts.dmarc = Some(verdict);
    finding
}
