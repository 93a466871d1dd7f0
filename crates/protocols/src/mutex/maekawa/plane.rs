//! Finite projective planes, as the request sets of Maekawa 1985, section 4: every two lines meet in exactly one point.
//!
//! A plane of order q has N = q² + q + 1 points and as many lines, each with q + 1 points, and exists for every prime power q. Singer
//! ("A Theorem in Finite Projective Geometry", 1938) showed that it can be written down by one line alone: the points are numbered by the powers of a generator
//! of the field with q³ elements, multiplication by the generator takes lines to lines, and so all lines are the shifts of one, a *difference set*:
//! every number from 1 to N-1 is the difference of exactly one pair of it. Because the set contains 0, the shift by i contains i: each
//! process is in its own request set without further search.

use alloc::vec;
use alloc::vec::Vec;

/// The largest order built here: 1,057 points.
pub const ORDER_MAX: u32 = 32;

/// The points of a plane of that order.
pub const fn points(order: u32) -> u32 {
    order * order + order + 1
}

/// A line of the plane of that order, ascending from 0; its shifts modulo [`points`] are all lines. `None` if no plane of that order is built here:
/// the order is neither 1 nor a prime power, or above [`ORDER_MAX`].
///
/// ```
/// use synod_protocols::mutex::maekawa::difference_set;
/// assert_eq!(difference_set(2), Some(vec![0, 1, 3])); // the Fano plane
/// assert_eq!(difference_set(6), None);                // no plane of order 6 exists (Tarry 1901)
/// ```
pub fn difference_set(order: u32) -> Option<Vec<u32>> {
    if order == 1 {
        // The triangle: three points, three lines of two. Not a plane by the axioms, and yet the sets that three processes need.
        return Some(vec![0, 1]);
    }
    let (prime, exponent) = prime_power(order).filter(|_| order <= ORDER_MAX)?;
    let field = Field::new(prime, 3 * exponent);
    let points = points(order);
    // The line through the points 1 = x⁰ and x = x¹: besides x⁰, all x + s with s in the field of `order` elements, which are 0 and the powers of xᴺ.
    let scalars = (0..order - 1).map(|step| field.powers[(step * points) as usize]);
    let mut line: Vec<u32> =
        core::iter::once(0).chain(scalars).map(|s| field.log_of_x_plus(s) % points).collect();
    line.push(0);
    line.sort_unstable();
    Some(line)
}

/// The prime and the exponent whose power `number` is.
fn prime_power(number: u32) -> Option<(u32, u32)> {
    let prime = (2..=number).find(|divisor| number.is_multiple_of(*divisor))?;
    let (mut rest, mut exponent) = (number, 0);
    while rest.is_multiple_of(prime) {
        (rest, exponent) = (rest / prime, exponent + 1);
    }
    (rest == 1).then_some((prime, exponent))
}

/// A finite field as the powers of x modulo a primitive polynomial. An element is the number whose digits to the base `prime` are its coefficients,
/// the constant one lowest.
struct Field {
    prime: u32,
    /// `powers[e]` is xᵉ; all elements but zero.
    powers: Vec<u32>,
}

impl Field {
    fn new(prime: u32, degree: u32) -> Self {
        let size = prime.pow(degree);
        (1..size)
            .find_map(|polynomial| powers_of_x(prime, degree, polynomial))
            .map(|powers| Field { prime, powers })
            .expect("a primitive polynomial of every degree exists over every prime field")
    }

    /// The exponent e with xᵉ = x + s.
    fn log_of_x_plus(&self, s: u32) -> u32 {
        // s + x: the second digit grows by one, without carry.
        let digit = s / self.prime % self.prime;
        let sum = s - digit * self.prime + (digit + 1) % self.prime * self.prime;
        let place = self.powers.iter().position(|power| *power == sum);
        u32::try_from(place.expect("every element but zero is a power of x")).expect("fields are small")
    }
}

/// All powers of x modulo xᵈ - r, where r's digits are `remainder`; `None` if they repeat early: then the polynomial is not primitive.
fn powers_of_x(prime: u32, degree: u32, remainder: u32) -> Option<Vec<u32>> {
    let (size, top) = (prime.pow(degree), prime.pow(degree - 1));
    let mut powers = Vec::with_capacity(size as usize - 1);
    let mut power = 1;
    loop {
        powers.push(power);
        // Times x: shift the digits; the one that falls out at the top comes back as that many remainders.
        let (overflow, shifted) = (power / top, power % top * prime);
        power = add_multiple(prime, shifted, overflow, remainder);
        if power == 1 {
            return (powers.len() == size as usize - 1).then_some(powers);
        }
        if power == 0 || powers.len() == size as usize {
            return None;
        }
    }
}

/// `a + factor · b`, digit by digit.
fn add_multiple(prime: u32, a: u32, factor: u32, b: u32) -> u32 {
    let (mut a, mut b, mut place, mut sum) = (a, b, 1, 0);
    while a > 0 || b > 0 {
        sum += (a % prime + factor * (b % prime)) % prime * place;
        (a, b, place) = (a / prime, b / prime, place.saturating_mul(prime));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_occurs_exactly_once() {
        for order in 1..=ORDER_MAX {
            let Some(line) = difference_set(order) else {
                assert!(prime_power(order).is_none(), "order {order} is a prime power");
                continue;
            };
            let points = points(order);
            assert_eq!(line.len(), order as usize + 1, "order {order}: {line:?}");
            let mut seen = vec![0; points as usize];
            for a in &line {
                for b in &line {
                    seen[((a + points - b) % points) as usize] += 1;
                }
            }
            assert!(seen[1..].iter().all(|count| *count == 1), "order {order}: {line:?}");
        }
    }

    #[test]
    fn orders_that_are_no_prime_powers_are_refused() {
        for order in [0, 6, 10, 12, 14, 15, 18, 20, ORDER_MAX + 1, 37] {
            assert_eq!(difference_set(order), None, "order {order}");
        }
    }
}
