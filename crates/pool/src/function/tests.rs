//! References lead where they should, and functions read what they were sent.

use super::*;

fn one_more(number: u64) -> u64 {
    number + 1
}

fn joined(left: String, right: Vec<u8>) -> String {
    format!("{left}{right:?}")
}

fn descriptor_of<F, A, R, M>(_: F) -> &'static Descriptor
where
    F: TaskFn<A, R, M>,
    A: Payload,
    R: Payload,
    M: 'static,
{
    task_descriptor::<F, A, R, M>()
}

#[test]
fn a_resolver_follows_every_reference_to_its_own_function() {
    let number = descriptor_of(one_more);
    let text = descriptor_of(joined);
    let mut resolver = Resolver::default();
    for wanted in [number, number, text, number, text, text] {
        let reference = wanted.reference();
        assert!(std::ptr::eq(resolver.resolve(reference).unwrap(), wanted));
        let of_another_type = FunctionRef {
            type_hash: reference.type_hash ^ 1,
            ..reference
        };
        assert!(resolver.resolve(of_another_type).is_err());
        let beside = FunctionRef {
            offset: reference.offset + 1,
            ..reference
        };
        assert!(resolver.resolve(beside).is_err());
    }
}

#[test]
fn a_function_reads_its_arguments_as_they_are_encoded() {
    fn read<F, A, R, M>(_: F, arg: &A) -> Result<A, DecodeError>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
    {
        let mut bytes = Vec::new();
        codec::encode(arg, &mut bytes).unwrap();
        F::decode(&bytes)
    }
    read(|| (), &()).unwrap();
    assert_eq!(read(one_more, &7), Ok(7));
    let two = ("a".to_owned(), vec![7; 300]);
    assert_eq!(read(joined, &two).as_ref(), Ok(&two));
    let six = (1u8, Some(vec![2u8]), vec![3.5f64], "4".to_owned(), (), 6i64);
    let of_six = |a: u8, _: Option<Vec<u8>>, _: Vec<f64>, _: String, (): (), _: i64| a;
    assert_eq!(read(of_six, &six).as_ref(), Ok(&six));
}
