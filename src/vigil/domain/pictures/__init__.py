"""Sets of annotated pictures, and COCO's form of them."""
