//! What is wrong with an answer of a model, or with what it was to be asked about.

/// Why a model's answer, or what it says of one item, is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// It is of another model than was asked.
    #[error("another model answered")]
    OtherModel,
    /// It is of another version than was asked, or names a version that is none.
    #[error("another version of the model answered")]
    OtherVersion,
    /// A tensor that a score is read from is not in it.
    #[error("a tensor is missing")]
    Missing,
    /// It has more tensors than anybody asked for.
    #[error("there are too many tensors")]
    TooManyTensors,
    /// Two of its tensors have one name.
    #[error("a tensor is there twice")]
    Twice,
    /// A tensor is of another kind of elements than was said.
    #[error("a tensor has another datatype")]
    Datatype,
    /// Sides of a tensor are negative, too many or too long.
    #[error("the sides of a tensor are not possible")]
    Sides,
    /// The outermost side of a tensor is not the number of items that were asked about.
    #[error("a tensor has another number of items")]
    Items,
    /// A tensor has not the element that a score is read from.
    #[error("a tensor has too few elements for an item")]
    TooFew,
    /// Elements are packed for another number of tensors than there are.
    #[error("packed elements are of another number of tensors")]
    Packed,
    /// A tensor's elements are in two fields, or in one that is not of their kind.
    #[error("the elements of a tensor are in the wrong field")]
    Field,
    /// The number of a tensor's elements is not what its sides say.
    #[error("a tensor has another number of elements than its sides say")]
    Count,
    /// An element is beyond what its kind can hold.
    #[error("an element is beyond its datatype")]
    Beyond,
    /// What a score would be made of is not a finite number.
    #[error("a value is not a finite number")]
    NotFinite,
    /// What is said to be a probability is not between 0 and 1.
    #[error("a value is not between 0 and 1")]
    OutOfRange,
    /// It is longer than is taken.
    #[error("the answer is too long")]
    TooLong,
}

/// Why a model cannot be asked about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfit {
    /// It reads something else: pictures, several pictures, text or an embedding.
    #[error("the model reads something else")]
    Kind,
    /// A picture has other sides, other channels or other bytes than the model takes.
    #[error("a picture has not the form that the model takes")]
    Form,
    /// There are more or fewer pictures than the model takes together.
    #[error("the model takes another number of pictures together")]
    Frames,
    /// The text is longer than the model takes.
    #[error("the text is too long for the model")]
    TooLong,
    /// There is nothing to read.
    #[error("there is nothing to read")]
    Empty,
    /// The embedding has another number of dimensions.
    #[error("the embedding has another number of dimensions")]
    Dimensions,
    /// The embedding has a value that is not a finite number.
    #[error("the embedding has a value that is not a finite number")]
    NotFinite,
}
