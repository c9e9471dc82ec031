//! Numbers of fixed width, written without the machinery of formatting: dates are written several times for each message.

/// Writes the last digits of a number into `room`, as many as it has.
pub fn put_digits(room: &mut [u8], number: u64) {
    let mut rest = number;
    for place in room.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_fills_its_room() {
        for (number, shown) in [(0, *b"000"), (7, *b"007"), (420, *b"420"), (12_345, *b"345")] {
            let mut room = *b"xyz";
            put_digits(&mut room, number);
            assert_eq!(room, shown);
        }
    }
}
