//! Huffman's code for header strings (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length are consecutive numbers, in the order of their symbols, and each length goes on where
//! the one before it ended. So the whole code is told by how many symbols have which length, and by the symbols in that order. A code of up to eight
//! bits, which is all that common text has, is found by one look at a table; a longer one by its length. Strings that leave are sent as they are:
//! ours are sent once a connection and then referred to.

use super::HpackError;

/// Symbols by the length of their codes, in bits.
const COUNTS: [u8; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];
/// The symbol that ends a string, and must not occur in one.
const END: u16 = 256;
/// The symbols by their codes.
#[rustfmt::skip]
const SYMBOLS: [u16; 257] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100,
    102, 103, 104, 108, 109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82,
    83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119, 120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63, 39, 43,
    124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96, 123, 92, 195, 208, 128, 130, 131, 162, 184, 194, 224, 226,
    153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156, 160, 163,
    164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1, 135, 137, 138, 139, 140, 141,
    143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9,
    142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213,
    218, 219, 238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251,
    252, 253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127,
    220, 249, 10, 13, 22, END,
];
/// The longest code that is found at one look.
const QUICK_BITS: usize = 8;
/// The first code of each length, and the place of its symbol.
const FIRST: [(u32, u16); 31] = first_codes();
/// By the next eight bits: the symbol and its bits; no bits where the code is longer.
const QUICK: [(u8, u8); 256] = quick();

/// Appends the text of `coded` to `text`.
///
/// # Errors
/// When it holds the symbol that ends a string, or is padded with anything but less than a byte of ones.
pub fn decode(coded: &[u8], text: &mut Vec<u8>) -> Result<(), HpackError> {
    let mut rest = coded.iter();
    // The lowest `bits` bits of `unread` are those that were taken from `rest` and have no symbol yet.
    let (mut unread, mut bits) = (0_u64, 0_u32);
    loop {
        while bits <= 56
            && let Some(byte) = rest.next()
        {
            unread = unread << 8 | u64::from(*byte);
            bits += 8;
        }
        if bits == 0 {
            return Ok(());
        }
        // Padded with ones, as the end of a string is.
        let window = unread << (64 - bits) | u64::MAX.checked_shr(bits).unwrap_or(0);
        let (symbol, length) = match QUICK[(window >> (64 - QUICK_BITS)) as usize] {
            (_, 0) => long(window),
            (symbol, length) => (u16::from(symbol), u32::from(length)),
        };
        if length > bits {
            // No whole code is left, so this is the padding.
            return if bits < 8 && window == u64::MAX { Ok(()) } else { Err(HpackError::Huffman) };
        }
        match u8::try_from(symbol) {
            Ok(symbol) => text.push(symbol),
            Err(_) => return Err(HpackError::Huffman),
        }
        bits -= length;
    }
}

/// The symbol of a code that is longer than a quick one, and its bits.
fn long(window: u64) -> (u16, u32) {
    for length in QUICK_BITS + 1..COUNTS.len() {
        let code = (window >> (64 - length)) as u32;
        let (first, place) = FIRST[length];
        let offset = code.wrapping_sub(first);
        if offset < COUNTS[length] as u32 {
            return (SYMBOLS[place as usize + offset as usize], length as u32);
        }
    }
    // The code is complete, so nothing is left over; this only closes the function.
    (END, 0)
}

const fn first_codes() -> [(u32, u16); 31] {
    let mut first = [(0, 0); 31];
    let (mut code, mut place, mut length) = (0_u32, 0_u16, 1);
    while length < first.len() {
        code <<= 1;
        first[length] = (code, place);
        code += COUNTS[length] as u32;
        place += COUNTS[length] as u16;
        length += 1;
    }
    first
}

const fn quick() -> [(u8, u8); 256] {
    let mut quick = [(0, 0); 256];
    let mut length = 1;
    while length <= QUICK_BITS {
        let (first, place) = FIRST[length];
        let mut offset = 0;
        while offset < COUNTS[length] as usize {
            let from = (first as usize + offset) << (QUICK_BITS - length);
            let mut filled = 0;
            while filled < 1 << (QUICK_BITS - length) {
                quick[from + filled] = (SYMBOLS[place as usize + offset] as u8, length as u8);
                filled += 1;
            }
            offset += 1;
        }
        length += 1;
    }
    quick
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        decode(coded, &mut text).ok().map(|()| text)
    }

    /// As a sender would; only the tests need it.
    fn encoded(text: &[u8]) -> Vec<u8> {
        let (mut coded, mut unsent, mut bits) = (Vec::new(), 0_u64, 0_u32);
        for symbol in text {
            let at = SYMBOLS.iter().position(|other| *other == u16::from(*symbol)).unwrap();
            let length = (1..31)
                .rev()
                .find(|length| COUNTS[*length] > 0 && usize::from(FIRST[*length].1) <= at)
                .unwrap();
            let (first, place) = FIRST[length];
            unsent = unsent << length | u64::from(first + (at - usize::from(place)) as u32);
            bits += length as u32;
            while bits >= 8 {
                bits -= 8;
                coded.push((unsent >> bits) as u8);
            }
        }
        if bits > 0 {
            coded.push((unsent << (8 - bits)) as u8 | 0xff >> bits);
        }
        coded
    }

    #[test]
    fn the_code_is_complete() {
        let total: f64 = (1..31).map(|length| f64::from(COUNTS[length]) / f64::from(1 << length)).sum();
        assert_eq!(total, 1.0, "the sum of Kraft's inequality");
        let mut symbols = SYMBOLS;
        symbols.sort_unstable();
        assert!(symbols.into_iter().eq(0..=END), "each symbol has one code");
    }

    #[test]
    fn the_standards_examples_are_read() {
        // RFC 7541, appendix C.4 and C.6.
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&coded).as_deref(), Some(&b"www.example.com"[..]));
        assert_eq!(decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).as_deref(), Some(&b"no-cache"[..]));
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81, 0x66,
            0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(decoded(&date).as_deref(), Some(&b"Mon, 21 Oct 2013 20:13:21 GMT"[..]));
    }

    #[test]
    fn every_symbol_survives() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(decoded(&encoded(&all)), Some(all));
        for symbol in 0..=255 {
            assert_eq!(decoded(&encoded(&[symbol])), Some(vec![symbol]));
        }
    }

    #[test]
    fn wrong_padding_is_refused() {
        assert_eq!(decoded(&[]), Some(vec![]));
        assert_eq!(decoded(&[0xff]), None, "a whole byte of padding");
        assert_eq!(decoded(&[0xff; 4]), None, "the end of a string within it");
        assert_eq!(decoded(&[0b0000_0110]), None, "padded with something else");
        assert_eq!(decoded(&[0b0000_0111]).as_deref(), Some(&b"0"[..]));
    }
}
