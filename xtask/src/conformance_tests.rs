//! Tests of the page of clauses: citations found, rows missed, rows grown old.

use super::*;

const CODE: &str = "//! Replies (RFC 5321 §4.2, §4.2.1 and RFC 3463 §2.).\n\
    fn a() {}\n\n\
    #[cfg(test)]\nmod tests {\n    /// RFC 5321 §4.2.1.\n    #[test]\n    fn a_digit_has_a_meaning() {}\n}\n";

const FULL: &str = "# Conformance\n\nWords.\n\n## RFC 3463: enhanced status codes\n\n\
    | Clause | What it asks | State | Where | Shown by |\n|---|---|---|---|---|\n\
    | RFC 3463 §2 | The syntax | yes | `crates/a.rs` |  |\n\n\
    ## RFC 5321: SMTP\n\nText read.\n\n\
    | Clause | What it asks | State | Where | Shown by |\n|---|---|---|---|---|\n\
    | RFC 5321 §4.2 | Replies | yes | `crates/a.rs` |  |\n\
    | RFC 5321 §4.2.1 | Digits | yes | `crates/a.rs` | `a_digit_has_a_meaning` |\n\
    | RFC 5321 §10 | Something | later |  |  |\n";

fn found(code: &str, page: &str) -> Vec<String> {
    let mut tree = Tree { sources: Vec::new(), texts: Vec::new(), paths: Vec::new() };
    tree.add("crates/a.rs".to_owned(), code.to_owned());
    tree.add(PAGE.to_owned(), page.to_owned());
    judge(&tree).into_iter().map(|finding| finding.text).collect()
}

#[test]
fn a_page_in_step_with_the_code_is_accepted() {
    assert_eq!(found(CODE, FULL), [""; 0]);
}

#[test]
fn a_clause_without_a_row_is_found() {
    let code = CODE.replace("§4.2,", "§4.2, §4.5.3.1.10,");
    assert_eq!(found(&code, FULL), ["no row for RFC 5321 §4.5.3.1.10"]);
}

#[test]
fn a_row_that_nothing_cites_is_found() {
    let code = CODE.replace(" and RFC 3463 §2.", "");
    assert_eq!(found(&code, FULL), ["RFC 3463 §2: nothing cites it any more"]);
}

#[test]
fn a_row_that_nobody_judged_is_found() {
    assert_eq!(found(CODE, &FULL.replace("| Replies | yes", "| Replies | ?")).len(), 1);
    assert_eq!(found(CODE, &FULL.replace("| Replies | yes", "|  | yes")).len(), 1);
}

#[test]
fn a_moved_citation_makes_the_page_old() {
    let page = FULL.replace("| `crates/a.rs` | `a_digit", "| `crates/b.rs` | `a_digit");
    assert_eq!(found(CODE, &page).len(), 1);
    let code = CODE.replace("a_digit_has_a_meaning", "digits_mean_something");
    assert_eq!(found(&code, FULL).len(), 1);
}

#[test]
fn a_dialogue_is_proof() {
    let mut tree = Tree { sources: Vec::new(), texts: Vec::new(), paths: Vec::new() };
    tree.add("crates/x/tests/dialogues/a_reset.txt".to_owned(), "# RFC 5321 §4.1.1.5.\nC: RSET\n".to_owned());
    let cited = citations(&tree);
    let places = cited.get(&Clause::new(5321, "4.1.1.5")).unwrap();
    assert_eq!(places.tests, BTreeSet::from(["a_reset".to_owned()]));
}

#[test]
fn a_helper_of_tests_is_no_proof() {
    let code = CODE.replace("    #[test]\n", "");
    assert_eq!(found(&code, &FULL.replace("`a_digit_has_a_meaning`", "")), [""; 0]);
}

#[test]
fn a_citation_without_its_sign_is_found() {
    let code = format!("{CODE}// As RFC 5321 4.2.5 wants.\n");
    assert_eq!(found(&code, FULL), ["write the citation with its sign: §4.2.5"]);
    assert_eq!(found(&format!("{CODE}// RFC 5321 1 line, RFC 5321.\n"), FULL), [""; 0]);
}

#[test]
fn rows_are_ordered_as_the_rfc_orders_its_sections() {
    assert!(Clause::new(5321, "9") < Clause::new(5321, "10"));
    assert!(Clause::new(5321, "4.2") < Clause::new(5321, "4.2.1"));
    assert!(Clause::new(5321, "10") < Clause::new(5321, "D.1"));
    assert!(Clause::new(821, "9") < Clause::new(5321, "1"));
}
