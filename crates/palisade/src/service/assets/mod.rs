//! /.palisade/assets: style sheets and pictures of the pages of Palisade itself.
