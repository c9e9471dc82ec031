//! POP3 as clients see it.

#[cfg(test)]
mod dialogues;
