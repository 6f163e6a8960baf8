//! Relations between arithmetic expressions: `tcp[13] & 2 != 0`.

use super::ast::{Arithmetic, Header, Place, Relation, Test};
use super::error::Fault;
use super::lexer::{self, Kind};
use super::names;
use super::parser::Parser;
use crate::capture::bpf::{calculate, opcode};

/// Most operators in one relation.
const MOST_OPERATORS: u32 = 100;

const RELATIONS: [(&str, Relation); 7] = [
    ("=", Relation::Equal),
    ("==", Relation::Equal),
    ("!=", Relation::NotEqual),
    (">", Relation::Above),
    (">=", Relation::AtLeast),
    ("<", Relation::Below),
    ("<=", Relation::AtMost),
];

/// Sign, how close it binds, opcode.
const OPERATORS: [(&str, u32, u16); 10] = [
    ("|", 1, opcode::OR),
    ("&", 2, opcode::AND),
    ("<<", 3, opcode::LSH),
    (">>", 3, opcode::RSH),
    ("+", 4, opcode::ADD),
    ("-", 4, opcode::SUB),
    ("*", 5, opcode::MUL),
    ("/", 5, opcode::DIV),
    ("%", GREEDY, opcode::MOD),
    ("^", GREEDY, opcode::XOR),
];

/// `%` and `^` have no rank in libpcap's grammar: they take the one operand on their left and all that follows on their right.
const GREEDY: u32 = 6;

pub(super) fn is_operator(sign: &str) -> bool {
    RELATIONS.iter().any(|(one, _)| *one == sign) || OPERATORS.iter().any(|(one, ..)| *one == sign)
}

impl Parser<'_> {
    pub(super) fn relation(&mut self) -> Result<Test, Fault> {
        self.operators = 0;
        let left = self.arithmetic(1)?;
        let relation = match self.peek() {
            None => return Err(self.missing("a comparison")),
            Some(token) => match RELATIONS.iter().find(|(sign, _)| *sign == token.text) {
                Some((_, relation)) => *relation,
                None => return Err(Fault::new(token.at, format!("expected a comparison, not `{}`", token.text))),
            },
        };
        self.advance();
        let right = self.arithmetic(1)?;
        Ok(Test::Relation { tags: self.tags, left, relation, right })
    }

    /// Operators that bind at least as close as `rank`.
    fn arithmetic(&mut self, rank: u32) -> Result<Arithmetic, Fault> {
        let mut left = self.operand()?;
        while let Some((code, closer)) = self.operator(rank, GREEDY - 1) {
            let at = self.peek().map_or(0, |token| token.at);
            self.step()?;
            let right = self.nested(|parser| parser.arithmetic(closer + 1))?;
            left = binary(at, code, left, right)?;
        }
        Ok(left)
    }

    /// The operator that comes next, if its rank is within these, and the rank.
    fn operator(&self, lowest: u32, highest: u32) -> Option<(u16, u32)> {
        let token = self.peek().filter(|token| token.kind == Kind::Sign)?;
        let (_, rank, code) = OPERATORS.iter().find(|(sign, ..)| *sign == token.text)?;
        (lowest..=highest).contains(rank).then_some((*code, *rank))
    }

    /// Steps over an operator, and counts it.
    fn step(&mut self) -> Result<(), Fault> {
        self.operators += 1;
        if let Some(token) = self.peek().filter(|_| self.operators > MOST_OPERATORS) {
            return Err(Fault::new(token.at, format!("more than {MOST_OPERATORS} operators in one comparison")));
        }
        self.advance();
        Ok(())
    }

    fn operand(&mut self) -> Result<Arithmetic, Fault> {
        let Some(token) = self.peek() else { return Err(self.missing("a number")) };
        if token.text == "-" {
            self.step()?;
            let inner = self.nested(Self::operand)?;
            return binary(token.at, opcode::SUB, Arithmetic::Number(0), inner);
        }
        let left = self.atom()?;
        let Some((code, _)) = self.operator(GREEDY, GREEDY) else { return Ok(left) };
        let at = self.peek().map_or(0, |token| token.at);
        self.step()?;
        let right = self.nested(|parser| parser.arithmetic(1))?;
        binary(at, code, left, right)
    }

    fn atom(&mut self) -> Result<Arithmetic, Fault> {
        let Some(token) = self.peek() else { return Err(self.missing("a number")) };
        if self.take("(") {
            let inner = self.nested(|parser| parser.arithmetic(1))?;
            self.close(token)?;
            return Ok(inner);
        }
        let word = self.word("a number")?;
        if word.text == "len" && word.kind == Kind::Word {
            return Ok(Arithmetic::Length);
        }
        if let Some(value) = names::constant(word.text) {
            return Ok(Arithmetic::Number(value));
        }
        if let Some(number) = lexer::number(word.text) {
            return number.map(Arithmetic::Number).map_err(|message| Fault::new(word.at, message));
        }
        let bracket = self.peek().filter(|token| token.text == "[");
        match (header(word.text), bracket) {
            (Some(header), Some(open)) => {
                self.advance();
                let index = self.nested(|parser| parser.arithmetic(1))?;
                let size = self.size()?;
                self.close(open)?;
                Ok(Arithmetic::Load { place: Place(open.at + 1), header, index: Box::new(index), size })
            }
            (Some(_), None) => Err(Fault::new(word.at, format!("`{}` is no number; say `{0}[OFFSET]`", word.text))),
            (None, _) => Err(Fault::new(word.at, format!("expected a number, not `{}`", word.text))),
        }
    }

    fn size(&mut self) -> Result<u32, Fault> {
        if !self.take(":") {
            return Ok(1);
        }
        let word = self.word("1, 2 or 4")?;
        match lexer::number(word.text) {
            Some(Ok(size @ (1 | 2 | 4))) => Ok(size),
            _ => Err(Fault::new(word.at, "1, 2 or 4 bytes can be read at once")),
        }
    }
}

fn header(name: &str) -> Option<Header> {
    match name {
        "ether" | "link" => Some(Header::Link),
        "icmp6" => Some(Header::Icmp6),
        "tcp" | "udp" | "sctp" | "icmp" | "igmp" | "igrp" | "pim" | "vrrp" | "carp" => {
            names::protocol(name).map(Header::Transport)
        }
        "ip" | "ip6" | "arp" | "rarp" | "decnet" | "lat" | "moprc" | "mopdl" | "sca" => {
            names::ether_type(name).map(Header::Network)
        }
        _ => None,
    }
}

/// Calculates what can be calculated now, and refuses what can never be.
fn binary(at: usize, code: u16, left: Arithmetic, right: Arithmetic) -> Result<Arithmetic, Fault> {
    match (code, &left, &right) {
        (opcode::DIV | opcode::MOD, _, Arithmetic::Number(0)) => Err(Fault::new(at, "this divides by zero")),
        (opcode::LSH | opcode::RSH, _, Arithmetic::Number(32..)) => {
            Err(Fault::new(at, "this shifts by more than 31 bits"))
        }
        (_, Arithmetic::Number(a), Arithmetic::Number(b)) => {
            calculate(code, *a, *b).map(Arithmetic::Number).ok_or_else(|| Fault::new(at, "this cannot be calculated"))
        }
        _ => Ok(Arithmetic::Binary(Place(at), code, Box::new(left), Box::new(right))),
    }
}
